"""A canvas of text: draws each step as one line, at any width and in any encoding.

Lifelines are columns a few cells apart; an arrow runs from one to another, across the columns between::

      1.395 4   ●               socket(AF_INET, SOCK_STREAM, 6) = descriptor 7
      1.538 5   ├───┼──▶│       connect(tcp://127.0.0.1:35541)

Colours show the stage that a step belongs to; nothing depends on colour alone.
"""

import os
from collections.abc import Collection
from dataclasses import dataclass
from typing import TextIO

from rich.console import Console
from rich.text import Text

from threadserver.core.steps import STAGES
from threadserver.diagrams.rows import Row

COLOURS = {"listening": "cyan", "request": "green", "confirmation": "magenta", "conversation": "blue"}
LEFT = 16  # cells for the time and the step
LEAST_TEXT = 22  # cells that the text needs
GAPS = (7, 6, 5, 4, 3)  # cells from one lifeline to the next, best first
WIDTH = 100  # cells, for output that is not a terminal


@dataclass(frozen=True)
class Glyphs:
    """The characters to draw with."""

    line: str = "│"
    note: str = "●"
    from_left: str = "├"
    from_right: str = "┤"
    to_right: str = "▶"
    to_left: str = "◀"
    shaft: str = "─"
    cross: str = "┼"
    more: str = "…"


ASCII = Glyphs("|", "o", "|", "|", ">", "<", "-", "+", "~")


def console_for(file: TextIO) -> Console:
    """Return a console as wide as the terminal; for a pipe or a file, 100 cells unless COLUMNS says otherwise."""
    width = None if file.isatty() or "COLUMNS" in os.environ else WIDTH
    return Console(file=file, width=width, highlight=False, markup=False, emoji=False)


def most_lifelines(width: int) -> int:
    """Return how many lifelines fit, at least three, with some text beside them."""
    return max(3, (width - LEFT - LEAST_TEXT) // GAPS[-1])


class Canvas:
    """Draws rows between labelled columns."""

    def __init__(self, console: Console, labels: list[str]) -> None:
        self._console = console
        self._width = console.width
        self._glyphs = Glyphs() if _can_draw(console.encoding) else ASCII
        wanted = (gap for gap in GAPS if LEFT + gap * len(labels) + self._width * 11 // 20 <= self._width)
        self._gap = next(wanted, GAPS[-1])
        self._labels = labels
        self._columns = {label: at * self._gap for at, label in enumerate(labels)}
        self._stages: set[str] = set()

    def has(self, labels: Collection[str]) -> bool:
        """Tell whether the canvas has all these columns."""
        return all(label in self._columns for label in labels)

    def say(self, text: str, style: str = "dim") -> None:
        """Print one line of text."""
        self._print(Text(text, style))

    def heading(self) -> None:
        """Print the labels of the columns."""
        labels = "".join(label.ljust(self._gap) for label in self._labels)
        self._print(Text("   time/ms step".ljust(LEFT) + labels, "bold"))

    def row(self, row: Row, time: float, source: str, target: str | None, alive: Collection[str]) -> None:
        """Print a row, ``time`` in seconds, between the columns with these labels; ``alive`` columns pass by."""
        self._stage(row.stage)
        colour = COLOURS.get(row.stage, "default")
        line = Text(f"{time * 1000:10.3f} ", "dim").append(f"{row.step or '':<5}", f"bold {colour}")
        for at, cell in enumerate(self._cells(source, target, alive)):
            lifeline = cell == self._glyphs.line and at % self._gap == 0
            line.append(cell, "dim" if lifeline else colour)
        self._print(line.append(row.text, "red" if row.trouble else ""))

    def _cells(self, source: str, target: str | None, alive: Collection[str]) -> list[str]:
        glyphs, cells = self._glyphs, [" "] * (self._gap * len(self._labels))
        for label in alive:
            cells[self._columns[label]] = glyphs.line
        start = self._columns[source]
        if target is None:
            cells[start] = glyphs.note
            return cells
        end = self._columns[target]
        for at in range(min(start, end) + 1, max(start, end)):
            cells[at] = glyphs.shaft if cells[at] == " " else glyphs.cross
        cells[start] = glyphs.from_left if start < end else glyphs.from_right
        cells[end + (-1 if start < end else 1)] = glyphs.to_right if start < end else glyphs.to_left
        return cells

    def _stage(self, stage: str) -> None:
        """Draw a rule where each stage first begins, and only there: with many clients, stages soon alternate."""
        if stage and stage not in self._stages:
            self._stages.add(stage)
            rule = f"{self._glyphs.shaft * 2} {STAGES[stage]} ".ljust(self._width, self._glyphs.shaft)
            self._print(Text(rule, COLOURS[stage]))

    def _print(self, line: Text) -> None:
        encoding = self._console.encoding
        plain = line.plain.encode(encoding, "backslashreplace").decode(encoding)
        if plain != line.plain:  # then the spans of colour are out of place
            line = Text(plain)
        line.rstrip()
        if line.cell_len > self._width:
            line.truncate(self._width - 1)
            line.append(self._glyphs.more)
        self._console.print(line, no_wrap=True, crop=True, overflow="ignore", soft_wrap=False)


def _can_draw(encoding: str) -> bool:
    try:
        "".join(vars(Glyphs()).values()).encode(encoding)
    except (UnicodeEncodeError, LookupError):
        return False
    return True

"""A still picture: the sequence as one SVG file, for a document, a slide or a README.

Steps are on the left, lifelines in the middle, and calls on the right, so that nothing overlaps::

    (4)  ●     |     |     |        socket(AF_INET, SOCK_STREAM, 6) = 7
    (5)  |────▶|     |     |        connect(tcp://127.0.0.1:44385)

A tint and a word at the right edge show the stage. The picture has its own background and adapts to a dark theme.
It loads nothing, and every text of the trace is escaped.
"""

from collections.abc import Iterator
from itertools import groupby
from textwrap import wrap
from xml.sax.saxutils import escape, quoteattr

from threadserver.core.printable import printable
from threadserver.core.steps import STAGES
from threadserver.diagrams.lifelines import Lifeline
from threadserver.diagrams.rows import Row
from threadserver.diagrams.sequence import Sequence

LEFT = 84  # pixels from the edge to the first lifeline
GAP = 104  # pixels from one lifeline to the next
TEXT = 560  # pixels for what was called, and for the name of the stage
MOST = 58  # characters of a call that fit there
HEADS = 78  # pixels above the first row
HEIGHT = 21  # pixels of a row
STYLE = """
svg { --paper: #ffffff; --ink: #1d2530; --quiet: #646e7c; --line: #b9bec7; --rule: #e3e0da;
  --listening: #4f6478; --request: #1d63b3; --confirmation: #7a3fb0; --conversation: #1c7a56; --trouble: #b3261e; }
@media (prefers-color-scheme: dark) { svg { --paper: #1b2028; --ink: #e7eaee; --quiet: #97a1af; --line: #4b5563;
  --rule: #2c333e; --listening: #9db2c8; --request: #74b0f4; --confirmation: #c79bf2; --conversation: #68c9a0;
  --trouble: #ff8a80; } }
text { font: 13px ui-monospace, "DejaVu Sans Mono", Menlo, Consolas, monospace; fill: var(--ink); }
.paper { fill: var(--paper); stroke: var(--rule); }
.head, .stage, .step { font: 600 12px system-ui, "Segoe UI", Roboto, "DejaVu Sans", sans-serif; }
.head, .step { text-anchor: middle; }
.lifeline { stroke: var(--line); stroke-dasharray: 2 4; }
.listening { --own: var(--listening); } .request { --own: var(--request); }
.confirmation { --own: var(--confirmation); } .conversation { --own: var(--conversation); }
.none { --own: var(--quiet); }
.band { fill: var(--own); opacity: .08; }
.stage, .step { fill: var(--own); }
.stage { text-anchor: end; }
.arrow { stroke: var(--own); stroke-width: 1.8; }
.tip, .note { fill: var(--own); }
.trouble { fill: var(--trouble); }
"""


def still(sequence: Sequence) -> str:
    """Return a sequence as the text of an SVG file."""
    columns = {one.key: LEFT + GAP * at for at, one in enumerate(sequence.lifelines)}
    text = LEFT + GAP * max(len(columns) - 1, 0) + 40
    width, height = text + TEXT, HEADS + HEIGHT * len(sequence.rows) + 14
    size = f'viewBox="0 0 {width} {height}" width="{width}" height="{height}"'
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" {size} role="img" aria-label={quoteattr(_summary(sequence))}>',
        f"<style>{STYLE}</style>",
        f'<rect class="paper" x=".5" y=".5" width="{width - 1}" height="{height - 1}" rx="10"/>',
        *_bands(sequence.rows, width),
        *(part for one in sequence.lifelines for part in _lifeline(one, columns[one.key], height)),
        *(part for at, row in enumerate(sequence.rows) for part in _row(row, HEADS + HEIGHT * at, columns, text)),
        "</svg>",
    ]
    return "\n".join(parts) + "\n"


def _summary(sequence: Sequence) -> str:
    names = ", ".join(printable(one.title) for one in sequence.lifelines)
    return f"The steps of a connection as {len(sequence.rows)} rows between lifelines: {names}"


def _bands(rows: tuple[Row, ...], width: int) -> Iterator[str]:
    """Tint the rows of each stage, and name the stage once on its first row."""
    at = 0
    for stage, group in groupby(rows, key=lambda row: row.stage):
        count, top = len(list(group)), HEADS + HEIGHT * at
        at += count
        if stage:
            yield f'<g class="{stage}">'
            yield f'<rect class="band" x="1" y="{top}" width="{width - 2}" height="{HEIGHT * count}"/>'
            yield f'<text class="stage" x="{width - 12}" y="{top + 15}">{escape(STAGES[stage])}</text></g>'


def _lifeline(lifeline: Lifeline, x: int, height: int) -> Iterator[str]:
    words = wrap(printable(lifeline.title), 13)[:3]
    for at, word in enumerate(words):
        yield f'<text class="head" x="{x}" y="{HEADS - 14 - 17 * (len(words) - 1 - at)}">{escape(word)}</text>'
    yield f'<line class="lifeline" x1="{x}" y1="{HEADS - 6}" x2="{x}" y2="{height - 8}"/>'


def _row(row: Row, top: int, columns: dict[str, int], text: int) -> Iterator[str]:
    """Draw one row: its step, its arrow or its note, and what was called."""
    middle, source = top + HEIGHT // 2, columns[row.source]
    yield f'<g class="{row.stage or "none"}">'
    if row.step:
        yield f'<text class="step" x="26" y="{middle + 4}">{row.step}</text>'
    if row.target is None:
        yield f'<circle class="note" cx="{source}" cy="{middle}" r="4"/>'
    else:
        yield from _arrow(source, columns[row.target], middle)
    said = row.text if len(row.text) <= MOST else row.text[: MOST - 1] + "…"
    trouble = ' class="trouble"' if row.trouble else ""
    yield f'<text{trouble} x="{text}" y="{middle + 4}">{escape(said)}</text></g>'


def _arrow(source: int, target: int, y: int) -> Iterator[str]:
    back = -7 if target > source else 7
    yield f'<line class="arrow" x1="{source}" y1="{y}" x2="{target + back}" y2="{y}"/>'
    yield f'<path class="tip" d="M{target} {y} l{back} -4 v8 z"/>'

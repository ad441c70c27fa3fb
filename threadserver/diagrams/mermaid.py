"""Mermaid text: the sequence diagram for documents that draw it themselves, such as Markdown on most forges.

Stages become rectangles behind their rows. Mermaid has no quoting, so every character that could mean something in its
grammar or in HTML is written as its entity code: ``#59;`` for a semicolon. Source:
https://mermaid.js.org/syntax/sequenceDiagram.html
"""

from collections.abc import Iterator
from itertools import groupby

from threadserver.diagrams.lifelines import Lifeline
from threadserver.diagrams.rows import Row
from threadserver.diagrams.sequence import Sequence

COLOURS = {
    "listening": "rgba(14, 116, 144, 0.08)",
    "request": "rgba(21, 128, 61, 0.08)",
    "confirmation": "rgba(162, 28, 175, 0.08)",
    "conversation": "rgba(29, 78, 216, 0.08)",
}
PLAIN = set(" .,/=_-!?")  # characters, besides letters and digits, that need no code


def mermaid(sequence: Sequence) -> str:
    """Return a sequence as Mermaid text."""
    names = {lifeline.key: f"p{at}" for at, lifeline in enumerate(sequence.lifelines, 1)}
    lines = ["sequenceDiagram"]
    lines += [f"    participant {names[one.key]} as {_title(one)}" for one in sequence.lifelines]
    for stage, rows in groupby(sequence.rows, key=lambda row: row.stage):
        lines += _band(stage, [_line(row, names) for row in rows])
    return "\n".join(lines) + "\n"


def escaped(text: str) -> str:
    """Return a text in which Mermaid takes every character as text."""
    return "".join(c if c.isalnum() or c in PLAIN else f"#{ord(c)};" for c in text)


def _title(lifeline: Lifeline) -> str:
    return "<br/>".join(escaped(text) for text in (lifeline.title, lifeline.subtitle) if text)


def _band(stage: str, lines: list[str]) -> Iterator[str]:
    if not stage:
        yield from (f"    {line}" for line in lines)
        return
    yield f"    rect {COLOURS[stage]}"
    yield from (f"        {line}" for line in lines)
    yield "    end"


def _line(row: Row, names: dict[str, str]) -> str:
    text = escaped(f"{row.step}  {row.text}" if row.step else row.text)
    if row.target is None:
        return f"Note over {names[row.source]}: {text}"
    return f"{names[row.source]}->>{names[row.target]}: {text}"

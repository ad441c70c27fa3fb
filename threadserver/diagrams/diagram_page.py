"""The web page: one HTML file with the sequence as a picture to click through. It loads nothing from elsewhere.

Python arranges, and the page draws: it receives the rows as JSON and builds the SVG from them, so that it can show one
connection alone without gaps. All text of the trace reaches the page as text: jinja2 escapes it, ``tojson`` does so
within the script element, and the script only sets text, never markup. A content security policy keeps the page from
loading anything.
"""

from dataclasses import asdict
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from threadserver.core.plurals import count
from threadserver.core.printable import printable
from threadserver.core.steps import STAGES, STEPS
from threadserver.core.trace import Record
from threadserver.diagrams.lifelines import named
from threadserver.diagrams.rows import Row, milliseconds, said
from threadserver.diagrams.sequence import Sequence

BLOCKING = {"accept", "connect", "recv"}

_templates = Environment(
    loader=FileSystemLoader(Path(__file__).parent), autoescape=True, undefined=StrictUndefined, trim_blocks=True
)


def page(sequence: Sequence) -> str:
    """Return a sequence as a web page."""
    places = {lifeline.key: at for at, lifeline in enumerate(sequence.lifelines)}
    data = {
        "lifelines": [
            {"kind": one.kind, "title": printable(one.title), "subtitle": printable(one.subtitle)}
            for one in sequence.lifelines
        ],
        "rows": [_row(row, places, sequence.start) for row in sequence.rows],
        "steps": {number: asdict(step) for number, step in STEPS.items()},
        "stages": STAGES,
        "connections": sequence.connections,
    }
    return _templates.get_template("diagram_page.html.j2").render(data=data, **_summary(sequence))


def _summary(sequence: Sequence) -> dict[str, Any]:
    last = sequence.rows[-1].time if sequence.rows else 0.0
    connections = count(len({row.connection for row in sequence.rows if row.connection}), "connection")
    events = count(len(sequence.rows), "call or event", "calls and events")
    return {"summary": f"{connections}, {events}, {milliseconds(last)}"}


def _row(row: Row, places: dict[str, int], start: float) -> dict[str, Any]:
    return {
        "time": f"{row.time * 1000:.3f}",
        "step": row.step,
        "stage": row.stage,
        "source": places[row.source],
        "target": places.get(row.target or ""),
        "text": row.text,
        "connection": row.connection,
        "trouble": row.trouble,
        "calls": [_call(record, start) for record in row.records],
    }


def _call(record: Record, start: float) -> list[tuple[str, str]]:
    """Return what a reader may want to know about a call, in this order."""
    known = [
        ("Call", said(record)),
        ("Side", record.side),
        ("Made by", f"process/thread {named(record)}, “{record.thread_name}”"),
        ("Called at", f"{(record.begin - start) * 1000:.3f} ms"),
    ]
    if record.end is not None:
        took = "Blocked for" if record.call in BLOCKING else "Took"
        known.append((took, milliseconds(record.end - record.begin)))
    if record.local:
        known.append(("Addresses", f"{record.local} → {record.peer}" if record.peer else record.local))
    return [(name, printable(text)) for name, text in known]

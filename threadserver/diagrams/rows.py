"""A row: one line of a diagram, and the text that shows a call."""

import errno
import os
import re
from dataclasses import dataclass

from threadserver.core.printable import printable
from threadserver.core.steps import STEPS
from threadserver.core.trace import Record
from threadserver.diagrams.matching import failed


@dataclass(frozen=True)
class Row:
    """An arrow between two lifelines, or a note on one lifeline if ``target`` is None.

    ``time`` is in seconds of the records' clock, in a finished sequence since the trace's first call.
    ``step`` and ``connection`` are None if there is none. The first of ``records`` is the call that the
    row shows; the others led to it, or received what it sent. ``trouble`` marks a call that failed, or a
    refusal.
    """

    time: float
    step: str | None
    stage: str
    source: str
    target: str | None
    text: str
    connection: int | None
    records: tuple[Record, ...]
    trouble: bool


def row(
    record: Record,
    source: str,
    target: str | None = None,
    *,
    step: str | None = None,
    time: float | None = None,
    text: str = "",
    stage: str = "",
    connection: int | None = None,
    others: tuple[Record, ...] = (),
) -> Row:
    """Return the row that shows a call, by default at its beginning and with its own text."""
    stage = STEPS[step].stage if step else stage
    at = record.begin if time is None else time
    shown = printable(text or _without_addresses(said(record)))
    return Row(at, step, stage, source, target, shown, connection, (record, *others), _trouble(record))


def said(record: Record) -> str:
    """Return a call with its arguments and, if it says more than success, its result."""
    call = f"{record.call}({record.arguments})"
    if record.result is None or record.result == "0":
        return call
    if failed(record):
        return f"{call} {record.result}"
    return f"{call} = {record.result or 'end of input'}"


def _without_addresses(text: str) -> str:
    """Leave out the two addresses of a HELLO: what matters comes after them."""
    return re.sub(r"HELLO server=\S+ client=\S+", "HELLO …", text)


def _trouble(record: Record) -> bool:
    """Tell whether a call failed or refused; finding the socket closed, or nothing to read, does not count."""
    moved = {"send": record.arguments, "sendall": record.arguments, "recv": record.result}.get(record.call)
    if failed(record):
        return record.call != "shutdown" and os.strerror(errno.EAGAIN).lower() not in (moved or "")
    return (moved or "").startswith("ERROR ")


def milliseconds(seconds: float) -> str:
    """Return a duration in milliseconds: ``213 ms``, ``0.042 ms``."""
    return f"{seconds * 1000:.0f} ms" if seconds >= 0.01 else f"{max(seconds, 0) * 1000:.2g} ms"

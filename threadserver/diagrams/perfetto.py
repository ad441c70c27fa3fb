"""A Chrome trace of the recorded calls, for ui.perfetto.dev, with a track for each thread.

Each call is a slice from its beginning to its end, so that waiting in accept(), connect() or recv() is easy to see: a
long slice of category ``blocked``. Arrows lead from each send to the recv() that received it. A call that had not
returned when the trace ended lasts until then. A thread makes one call after the other, or one within another if a
signal interrupts it, so the slices of a track nest.

Source: the Trace Event Format, https://docs.google.com/document/d/1CvAClvFfyA5R-PhYUmn5OOQtYMH4h6I0nSsKchNAySU
(events ``X``, ``M``, ``s`` and ``f``; times in microseconds).
"""

import json
from collections.abc import Iterable, Iterator
from typing import Any

from threadserver.core.trace import Record
from threadserver.diagrams.lifelines import Task, task
from threadserver.diagrams.matching import connections, receipts, received, sent

BLOCKING = {"accept", "connect", "recv"}

Event = dict[str, Any]


def perfetto(records: Iterable[Record]) -> str:
    """Return the records of a trace, as ``trace.read`` returns them, as trace-event JSON."""
    records = list(records)
    clock = _Clock(records)
    events = [*_names(records), *(_slice(call, clock) for call in _calls(records)), *_arrows(records, clock)]
    return json.dumps({"traceEvents": events, "displayTimeUnit": "ms"}, indent=1) + "\n"


class _Clock:
    """Counts from the trace's first call, in whole nanoseconds, so that slices still nest in microseconds."""

    def __init__(self, records: list[Record]) -> None:
        self._start = min((record.begin for record in records), default=0.0)
        self._end = max((record.time for record in records), default=0.0)

    def nanoseconds(self, time: float | None) -> int:
        """Return the nanoseconds up to a moment; up to the trace's end for None."""
        return round(((self._end if time is None else time) - self._start) * 1e9)


def _calls(records: list[Record]) -> list[Record]:
    """Return each call once: a call that was recorded at its beginning and at its return, by its return."""
    returned = {_identity(record) for record in records if record.end is not None}
    calls = [record for record in records if record.end is not None or _identity(record) not in returned]
    return sorted(calls, key=lambda record: record.begin)


def _identity(record: Record) -> tuple[object, ...]:
    """Return what identifies a call: a thread's accept() at a moment, or a socket's only connect()."""
    return (*task(record), record.call, record.socket if record.call == "connect" else record.begin)


def _slice(record: Record, clock: _Clock) -> Event:
    begin, end = clock.nanoseconds(record.begin), clock.nanoseconds(record.end)
    known = {
        "step": record.step, "side": record.side, "arguments": record.arguments,
        "result": record.result if record.end is not None else "had not returned when the trace ended",
        "connection": record.connection, "socket": record.socket, "local": record.local, "peer": record.peer,
    }  # fmt: skip
    return {
        "ph": "X", "name": f"{record.call}()", "cat": "blocked" if record.call in BLOCKING else "call",
        "ts": begin / 1000, "dur": (end - begin) / 1000, "pid": record.process, "tid": record.thread,
        "args": {name: value for name, value in known.items() if value is not None},
    }  # fmt: skip


def _names(records: list[Record]) -> Iterator[Event]:
    """Name the processes after the sides that they are on, and the threads by their own names."""
    sides: dict[int, set[str]] = {}
    threads: dict[Task, str] = {}
    for record in records:
        sides.setdefault(record.process, set()).add(record.side)
        threads[task(record)] = record.thread_name
    for process, names in sides.items():
        name = " and ".join(sorted(names, reverse=True))
        yield {"ph": "M", "name": "process_name", "pid": process, "tid": 0, "args": {"name": name}}
    for (process, thread), name in threads.items():
        yield {"ph": "M", "name": "thread_name", "pid": process, "tid": thread, "args": {"name": name}}


def _arrows(records: list[Record], clock: _Clock) -> Iterator[Event]:
    """Yield an arrow from each send to every recv() that received some of its bytes."""
    pairs: list[tuple[Record, Record]] = []
    for connection in connections(records):
        pairs += receipts(sent(connection.client), received(connection.server))
        pairs += receipts(sent(connection.server), received(connection.client))
    for number, (send, receipt) in enumerate(pairs, 1):
        got = max(clock.nanoseconds(receipt.begin), clock.nanoseconds(receipt.end) - 1)  # within its slice
        common = {"name": "bytes", "cat": "bytes", "id": number}
        start = min(clock.nanoseconds(send.begin), got)
        yield {"ph": "s", "ts": start / 1000, "pid": send.process, "tid": send.thread, **common}
        yield {"ph": "f", "bp": "e", "ts": got / 1000, "pid": receipt.process, "tid": receipt.thread, **common}

"""Opening a connection: the rows of steps 1 to 8, on the listening socket and at the client.

No call shows what the kernel does between connect() and accept(), so those steps are put where they belong::

    5  connect() is called ≤ 6  the request arrives ≤ 7  connect() returns ≤ 8  accept() returns

accept() cannot return a connection before its handshake has finished, although the client's thread may learn of it a
few microseconds later.
"""

from collections.abc import Iterator
from dataclasses import replace

from threadserver.core.trace import Record
from threadserver.diagrams.lifelines import Cast, named
from threadserver.diagrams.matching import Connection
from threadserver.diagrams.rows import Row, milliseconds, row, said


def listening(cast: Cast, calls: list[Record]) -> Iterator[Row]:
    """Yield steps 1 to 3, and the calls that end a listening socket; of several shutdowns, only the first does."""
    lifeline = cast.listening_socket(calls[0].socket)
    shutdowns = [record for record in calls if record.call == "shutdown"]
    for record in calls:
        if record.call == "accept" and record.result is not None:
            yield _accept_failed(record, lifeline, shutdowns)
        elif record.call != "accept" and record not in shutdowns[1:]:
            stage = "listening" if record.call in ("socket", "bind", "listen") else ""
            yield row(record, lifeline, step=record.step, stage=stage, text=_whose(record, calls[0]))


def opening(cast: Cast, connection: Connection) -> Iterator[Row]:
    """Yield steps 4 to 8 of one connection, in this order."""
    client, listener = cast.client(connection), cast.listener(connection)
    number, connected, accepted = connection.number, connection.connected, connection.accepted
    for record in connection.client:
        if record.step == "4":
            yield row(record, client, step="4", connection=number)
        elif record.step == "5":
            yield row(record, client, listener, step="5", connection=number)
    if cast.is_recorded(listener) and (accepted or connected):
        yield _passive_open(connection, listener)
    if connected:
        text = f"connect() returned, as {connected.local}"
        yield row(connected, client, step="7", time=_returned(connection), text=text, connection=number)
    if accepted:
        worker = cast.worker(connection)
        yield row(accepted, listener, worker, step="8", time=accepted.time, connection=number)


def _accept_failed(record: Record, lifeline: str, shutdowns: list[Record]) -> Row:
    woken = any(shutdown.begin <= record.time for shutdown in shutdowns)
    if not woken:
        return row(record, lifeline, time=record.time)
    text = "accept() was woken: the listening socket was shut down"
    return replace(row(record, lifeline, time=record.time, text=text), trouble=False)


def _whose(record: Record, first: Record) -> str:
    if record.process == first.process:
        return said(record)
    return f"{said(record)} by {named(record)}: its own copy of the descriptor"


def _returned(connection: Connection) -> float:
    """Return the latest moment at which connect() may have returned: no later than accept()."""
    return min(end.time for end in (connection.connected, connection.accepted) if end)


def _passive_open(connection: Connection, listener: str) -> Row:
    """Return step 6. No process takes part in it: its time follows from when accept() and connect() were called."""
    accepted, connect, number = connection.accepted, connection.connect, connection.number
    shown = accepted or connect or connection.client[0]
    others = tuple(record for record in (connect,) if record and record is not shown)
    time, text = _arrival(accepted, connect)
    time = min(time, _returned(connection))
    text = f"passive open, {text}"
    return row(shown, listener, step="6", time=time, text=text, connection=number, others=others)


def _arrival(accepted: Record | None, connect: Record | None) -> tuple[float, str]:
    """Return when a request arrived, and what the server was doing."""
    if accepted is None:
        return (connect.begin if connect else 0.0), "waits in the queue for accept()"
    if connect is None:
        blocked = milliseconds(accepted.time - accepted.begin)
        return accepted.time, f"after {blocked} blocked in accept()"
    if connect.begin >= accepted.begin:
        blocked = milliseconds(connect.begin - accepted.begin)
        return connect.begin, f"after {blocked} blocked in accept()"
    waited = milliseconds(accepted.begin - connect.begin)
    return accepted.begin, f"waits {waited} in the queue until accept() is called"

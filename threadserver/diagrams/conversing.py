"""Conversing: the rows from HELLO to the last close, steps 8a to 12, of one connection.

Each send is an arrow, and a recv() belongs to the arrow of the send that it received. A recv() gets a row of its own
only if that send was not recorded: then it makes the arrow, so that the diagram of one side reads like that of both.
"""

from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import replace
from itertools import pairwise

from threadserver.core.trace import Record
from threadserver.diagrams.lifelines import Cast, conversing, named, task
from threadserver.diagrams.matching import Connection, failed, receipts, received, received_end, sent
from threadserver.diagrams.rows import Row, row, said

OPENING = ("4", "5", "7", "8")


def conversation(cast: Cast, connection: Connection) -> list[Row]:
    """Return the rows of a connection's conversation, in order of time."""
    rows = sorted(_Conversation(cast, connection).rows(), key=lambda row: row.time)
    stage = "confirmation" if connection.connected or connection.accepted else "request"
    for at, one in enumerate(rows):  # a row without a step belongs to the stage that its connection is in
        stage = one.stage or stage
        rows[at] = replace(one, stage=stage, connection=connection.number)
    return rows


class _Conversation:
    """The calls on both ends, and which recv() received which call's bytes."""

    def __init__(self, cast: Cast, connection: Connection) -> None:
        self._cast = cast
        self._connection = connection
        self._client = cast.client(connection)
        self._listener = cast.listener(connection)
        self._tasks = conversing(connection)
        self._got: dict[int, list[Record]] = defaultdict(list)  # the receipts of a call, by its id()
        self._received: set[int] = set()  # the ids of those receipts
        self._match()

    def rows(self) -> Iterator[Row]:
        """Yield a row for each call that is neither a step of the opening nor a receipt of another row."""
        yield from map(self._of_client, self._shown(self._connection.client))
        yield from map(self._of_server, self._shown(self._connection.server))
        yield from self._came_together()
        yield from self._unanswered()

    def _shown(self, records: list[Record]) -> list[Record]:
        return [r for r in records if r.step not in OPENING and id(r) not in self._received]

    # Which recv() belongs to which call.

    def _match(self) -> None:
        client, server = self._connection.client, self._connection.server
        for sender, receiver in ((client, server), (server, client)):
            for send, receipt in receipts(sent(sender), received(receiver)):
                self._attach(send, receipt)
        self._match_ends(received_end(server), [*_ends(client, "SHUT_WR"), *_shutdowns(server, "SHUT_RD")])
        closing = [end for end in _ends(server, "SHUT_WR") if not self._is_copy(end)]
        self._match_ends(received_end(client), closing)

    def _match_ends(self, receipts: list[Record], ends: list[Record]) -> None:
        """Attach each end of input to the call that caused it, else to the first recv() that saw it."""
        for receipt in receipts:
            ended = next((end for end in ends if end.begin <= receipt.time), receipts[0])
            if ended is not receipt:
                self._attach(ended, receipt)

    def _attach(self, record: Record, receipt: Record) -> None:
        self._got[id(record)].append(receipt)
        self._received.add(id(receipt))

    # Calls as rows.

    def _of_client(self, record: Record) -> Row:
        got = tuple(self._got[id(record)])
        if not (self._connection.connected or self._connection.accepted):
            return row(record, self._client)
        if record.call == "recv" and not failed(record):
            step = record.step if record.result else "12"
            return row(record, self._server_end(), self._client, step=step, time=record.time, others=got)
        if record.step:
            return row(record, self._client, self._server_end(*got), step=record.step, others=got)
        return row(record, self._client, time=record.time, others=got)

    def _of_server(self, record: Record) -> Row:
        got, worker = tuple(self._got[id(record)]), self._server_end(record)
        if record.call in ("shutdown", "close"):
            return self._ending(record, got)
        if failed(record):
            return row(record, worker, time=record.time)
        if record.call == "recv":
            step = {"10": "9"}.get(record.step or "", record.step)
            return row(record, self._client, worker, step=step, time=record.time, others=got)
        read = [r for r in received(self._connection.server) if r.time <= record.begin][-1:]
        sends = [r for r in sent(self._connection.server) if r.begin < record.begin][-1:]
        fresh = record.step == "10" and read and not (sends and sends[0].begin >= read[0].time)
        text = f"recv(), then {said(record)}" if fresh else ""
        return row(record, worker, self._client, step=record.step, text=text, others=(*read, *got))

    def _ending(self, record: Record, got: tuple[Record, ...]) -> Row:
        """Show how the server ends a connection; a task that does not converse on it is the accepting one."""
        by = f"{said(record)} by {named(record)}"
        if self._is_copy(record):
            return row(record, self._listener, text=f"{by}: its own copy of the descriptor")
        if task(record) not in self._tasks:
            return row(record, self._listener, self._server_end(), step=record.step, text=by, others=got)
        return row(record, self._server_end(record), self._client, step=record.step, others=got)

    def _unanswered(self) -> Iterator[Row]:
        """Show step 10 if the server read and, as its next call shows, did not answer."""
        calls = [record for record in self._connection.server if task(record) in self._tasks]
        for record, following in pairwise(calls):
            if _line(record) and following.call not in ("send", "sendall"):
                yield self._read(record, "10", self._server_end(record))

    def _came_together(self) -> Iterator[Row]:
        """Show step 9 if a single recv() took it together with the confirmation."""
        for record in self._shown(self._connection.server):
            if record.step == "8b" and _line(record):
                yield self._read(record, "9", self._client, self._server_end(record))

    def _read(self, record: Record, step: str, source: str, target: str | None = None) -> Row:
        text = f"recv({record.arguments}) = {'…' if record.step == '8b' else ''}{_line(record)}"
        return row(record, source, target, step=step, time=record.time, text=text)

    def _server_end(self, *records: Record) -> str:
        """Return the lifeline of the task that made the calls, if it converses, else of the connection's worker."""
        doing = next((task(record) for record in records if task(record) in self._tasks), None)
        return self._cast.worker(self._connection, doing) or self._listener

    def _is_copy(self, record: Record) -> bool:
        """Tell whether a process closed a descriptor that it does not use itself, as a parent does after fork()."""
        return record.call == "close" and record.process not in {process for process, _ in self._tasks}


def _line(record: Record) -> str:
    """Return the service's part of what a server's recv() took: all, or what came together with the confirmation."""
    if record.call != "recv" or not record.result:
        return ""
    return {"8b": record.result.partition(r"\n")[2], "10": record.result}.get(record.step or "", "")


def _ends(records: Iterable[Record], how: str) -> list[Record]:
    """Return the calls after which the peer sees the end of input."""
    return [record for record in records if record.call == "close" or record in _shutdowns([record], how)]


def _shutdowns(records: Iterable[Record], how: str) -> list[Record]:
    done = (record for record in records if record.call == "shutdown" and not failed(record))
    return [record for record in done if record.arguments in (how, "SHUT_RDWR")]

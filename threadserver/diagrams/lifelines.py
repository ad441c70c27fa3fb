"""Lifelines: the participants of a trace, which are clients, listening sockets, and the workers that converse.

A client and a listening socket are sockets. A worker is a task: a thread or a process. It is drawn apart from the
listening socket even if one thread does both, as in an iterative server. Everything about them was recorded, or
comes from HELLO; an end that was not recorded has a lifeline if the other end mentions it.
"""

import re
from collections.abc import Collection, Iterable
from dataclasses import dataclass
from math import inf

from threadserver.core.trace import Record
from threadserver.diagrams.matching import Connection, listeners

CLIENT, LISTENER, WORKER = "client", "listening", "worker"
"""The kinds of lifelines, in the order in which they are drawn."""

NOT_RECORDED = "not recorded"

Task = tuple[int, int]
"""A process and a thread, as the kernel counts them."""


@dataclass(frozen=True)
class Lifeline:
    """One column of a diagram; ``key`` identifies it, ``title`` and ``subtitle`` are for a reader."""

    kind: str
    key: str
    title: str
    subtitle: str


class Cast:
    """Finds the lifeline for each end of each connection, and remembers those that were requested."""

    def __init__(self, records: list[Record]) -> None:
        self.listening = listeners(records)
        waits = [record for record in records if record.call == "accept"]
        self._waits = {(*task(r), r.begin): r.socket for r in waits if r.step != "8"}
        self._accepting = {task(record) for record in waits}
        self._names = {task(record): record.thread_name for record in records}
        self._lifelines: dict[str, Lifeline] = {}

    def lifelines(self, used: Collection[str | None]) -> tuple[Lifeline, ...]:
        """Return the lifelines whose keys are used, from left to right."""
        known = [lifeline for lifeline in self._lifelines.values() if lifeline.key in used]
        return tuple(sorted(known, key=_place))

    def client(self, connection: Connection) -> str:
        """Return the key of a connection's client."""
        title = f"client {connection.number}" if connection.number else "client"
        if not connection.client:
            first = connection.server[0]
            return self._known(CLIENT, first.socket, title, f"{first.peer}, {NOT_RECORDED}")
        last = connection.client[-1]
        address = last.local if last.local and last.local != "unix:" else named(last)
        return self._known(CLIENT, last.socket, title, address)

    def listener(self, connection: Connection) -> str:
        """Return the key of the listening socket that a connection came through, or was meant to come through."""
        accepted, connect = connection.accepted, connection.connect
        if accepted and (name := self._waits.get((*task(accepted), accepted.begin))):
            return self.listening_socket(name)
        address = connect.arguments if connect else (accepted and accepted.local) or ""
        for name, calls in self.listening.items():
            if _reaches(address, calls[-1].local or ""):
                return self.listening_socket(name)
        known = f"{address}, {NOT_RECORDED}" if address else NOT_RECORDED
        return self._known(LISTENER, address, "listening socket", known)

    def listening_socket(self, name: str) -> str:
        """Return the key of a listening socket that was recorded."""
        return self._known(LISTENER, name, "listening socket", self.listening[name][-1].local or "")

    def is_recorded(self, listener: str) -> bool:
        """Tell whether the calls on a listening socket were recorded, by its key."""
        return listener.removeprefix(f"{LISTENER} ") in self.listening

    def worker(self, connection: Connection, server: Task | None = None) -> str | None:
        """Return the key of the task that serves a connection; None until such a task is known."""
        if tasks := conversing(connection):
            return self._task(self.listener(connection), server or tasks[0])
        if connection.server:
            return None
        if name := _told_by_hello(connection.client):
            return self._known(WORKER, name, f"worker {name}", "known from HELLO")
        return self._known(WORKER, f"of {connection.client[0].socket}", "server", NOT_RECORDED)

    def _task(self, listener: str, server: Task) -> str:
        listening = self.listening.get(listener.removeprefix(f"{LISTENER} "))
        if listening and listening[0].process != server[0]:
            kind = "process"
        else:
            kind = "the accepting thread" if server in self._accepting else "thread"
        name = f"{server[0]}/{server[1]}"
        return self._known(WORKER, name, f"worker {name} ({kind})", self._names[server])

    def _known(self, kind: str, name: str, title: str, subtitle: str) -> str:
        key = f"{kind} {name}"
        self._lifelines.setdefault(key, Lifeline(kind, key, title, subtitle))
        return key


def _place(lifeline: Lifeline) -> tuple[int, float]:
    """Order lifelines by kind, and clients by the numbers of their connections."""
    number = lifeline.title.removeprefix("client ")
    return (CLIENT, LISTENER, WORKER).index(lifeline.kind), float(number) if number.isdecimal() else inf


def task(record: Record) -> Task:
    """Return the task that made a call."""
    return record.process, record.thread


def named(record: Record) -> str:
    """Return the task that made a call, as HELLO names a worker: process/thread."""
    return f"{record.process}/{record.thread}"


def conversing(connection: Connection) -> list[Task]:
    """Return the tasks that converse on a connection: those that receive and send, else the one that closed it."""
    talking = [record for record in connection.server if record.call in ("recv", "send", "sendall")]
    closing = [record for record in connection.server if record.call == "close"]
    return list(dict.fromkeys(task(record) for record in talking or closing))


def _reaches(address: str, listening: str) -> bool:
    """Tell whether a connection to an address reaches a listening socket, which may be bound to every interface."""
    everywhere = re.fullmatch(r"tcp://(?:0\.0\.0\.0|\[::\])(:\d+)", listening)
    return address == listening or (everywhere is not None and address.endswith(everywhere[1]))


def _told_by_hello(records: Iterable[Record]) -> str | None:
    for record in records:
        if record.step == "8a" and (found := re.search(r" worker=([\d/]+)", record.result or "")):
            return found[1]
    return None

"""The submission's running program, as the judge sees it: an address, and what the kernel shows.

All that this module knows about the judge's clients is that each has a number and a socket. So clients (`peer`) and the
trial itself (`trial`) both build on it, and it builds on neither.
"""

import os
import signal
import socket
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, suppress
from dataclasses import dataclass, field
from itertools import count
from typing import Protocol

from threadserver.core.address import Address
from threadserver.judge.diagnosis import suspicion
from threadserver.judge.patience import Patience
from threadserver.judge.situation import Situation, descriptors, held_by, inner_ids
from threadserver.judge.stillness import PAUSE, SETTLED, Stillness
from threadserver.judge.transcript import Transcript
from threadserver.kernel.look import Look
from threadserver.kernel.processes import tasks
from threadserver.kernel.sockets import Socket, Tables
from threadserver.kernel.task import TaskId
from threadserver.submission.server_program import Running, how

CHANCES = 10
"""How often to check whether bytes were read before looking at the tasks themselves."""
OUTPUT = "; its output:\n"
OWN_LINES = "In your program:"
"""The first line of the evidence that names the student's own lines."""
SAID = "The output of your program:"
MOST_SAID = 1500
"""Characters of its output that are shown: the last ones."""


@dataclass(slots=True)
class Numbers:
    """The connection numbers that a server has told its clients since it was started, each with a client's name."""

    seen: dict[int, str] = field(default_factory=dict)
    strict: bool = False
    """True when a repeated number fails any check; otherwise it is left to the check `numbers`."""

    def again(self, number: int, name: str) -> str:
        """Note that a client was told a number; return the name of an earlier client that was told the same."""
        earlier = self.seen.get(number, "")
        self.seen[number] = name
        return earlier


Start = Callable[[], AbstractContextManager[Running]]


class Client(Protocol):
    """One of the judge's clients, as far as the program is concerned."""

    number: int
    socket: socket.socket


@dataclass(frozen=True, slots=True)
class Possessions:
    """How much a server holds. When its clients have gone, this must be as before."""

    descriptors: int
    tasks: int
    processes: int
    zombies: int

    def grown_beyond(self, before: "Possessions", allowed: int) -> str:
        """Say what has grown by more than ``allowed``, and to what; empty when nothing has."""
        grown = []
        for what in ("descriptors", "processes", "tasks", "zombies"):
            was, now = getattr(before, what), getattr(self, what)
            if now > was + allowed:
                grown.append(f"{now} {'threads' if what == 'tasks' else what} (before: {was})")
        return ", ".join(grown)


class Program:
    """A submission's server, running."""

    def __init__(self, start: Start, transcript: Transcript, tables: Tables, patience: Patience) -> None:
        self.transcript = transcript
        self.patience = patience
        self.clients: list[Client] = []
        """The judge's clients, whose connections the kernel's tables are searched for."""
        self.told = Numbers()
        """The connection numbers that its clients were told."""
        self._start = start
        self._tables = tables
        self._context = start()
        self._running = self._context.__enter__()

    # Its life.

    @property
    def address(self) -> Address:
        """Where it listens."""
        return self._running.address

    @property
    def ended(self) -> int | None:
        """Its exit code once none of its processes is left. A daemon outlives the process that was started."""
        code = self._running.ended()
        if code is None or any(self._alive() for _ in range(3)):  # a look may miss each of its two forks
            return None
        return code

    def _alive(self) -> bool:
        return any(one.alive for one in self._running.members().values())

    @property
    def ending(self) -> str:
        """How it ended, and the end of its output."""
        said = self._running.output().strip()
        over = self._running.over_limit
        ended = f"{how(self.ended)}, for it {over}" if over else how(self.ended)
        return ended + (f"{OUTPUT}{said[-MOST_SAID:]}" if said else ", without output")

    def restart(self, killed: Callable[[], None]) -> None:
        """Kill all its processes, and start it again at once on the same port. ``killed`` is called in between."""
        self.transcript.note("server", "is killed, and started again on the same port")
        self._context.__exit__(None, None, None)
        killed()
        self.told.seen.clear()
        self._context = self._start()
        self._running = self._context.__enter__()

    def kill(self, pid: int) -> None:
        """End one of its processes at once."""
        self.transcript.note("server", f"loses process {pid}: it is killed")
        _signal(pid, signal.SIGKILL)

    def left_by_sigterm(self) -> str:
        """Send SIGTERM to the process that was started. When that has ended it, say which processes still listen.

        Say nothing where no process does, where the signal is ignored, or where that process has ended long before.
        """
        self.dismiss()
        members = self._running.members()
        started = [pid for pid, one in members.items() if one.alive and one.parent not in members]
        if self._running.ended() is not None or len(started) != 1:
            return ""
        _signal(started[0], signal.SIGTERM)
        stillness = self.stillness()
        while self._running.ended() is None:
            stillness.look()
            if stillness.in_vain:
                return ""
            time.sleep(PAUSE)
        for _ in range(CHANCES):
            self.settle()
            look = self.look()
            if not (left := sorted({task.pid for task in look.tasks.values() if task.sockets & look.listeners})):
                return ""
        return " and ".join(f"process {self._running.inner(pid, pid)[0]}" for pid in left)

    def listens_at(self) -> list[Address]:
        """Return every address at which it listens."""
        return self._running.listens_at()

    def dismiss(self) -> None:
        """Let all clients leave."""
        for client in self.clients:
            client.socket.close()

    def close(self) -> None:
        """End everything: clients first, so that no connection is left behind."""
        self.dismiss()
        self._context.__exit__(None, None, None)

    @contextmanager
    def stopped(self, pids: Iterable[int]) -> Iterator[None]:
        """Stop some of its processes during the block: what happens meanwhile reaches them all at once."""
        try:
            for pid in pids:
                _signal(pid, signal.SIGSTOP)
            yield
        finally:
            for pid in pids:
                _signal(pid, signal.SIGCONT)

    # What the kernel shows.

    def members(self) -> list[int]:
        """Return every process of the submission."""
        return list(self._running.members())

    def task_ids(self) -> frozenset[TaskId]:
        """Return every task that can still run, without zombies, by process and thread."""
        living = (pid for pid, one in self._running.members().items() if one.alive)
        return frozenset((pid, tid) for pid in living for tid in tasks(pid))

    def look(self) -> Look:
        """Look at its tasks once."""
        look = self._running.look()
        listeners = frozenset(one.inode for one in self._sockets() if one.listens and one.inode)
        return Look(look.processes, look.tasks, listeners)

    def stillness(self) -> Stillness:
        """Begin to watch whether it stands still."""
        return Stillness(self.members, self.patience)

    def settle(self) -> None:
        """Wait until the server has worked on everything that it was sent."""
        self.stillness().settle()

    def await_read(self, client: Client) -> None:
        """Wait until the server has read what a client sent, or stands still without reading it."""
        stillness = self.stillness()
        for chance in count():
            end = self._end_of(client)
            if end is None or not (end.queued or end.receive_queue):
                return
            if chance > CHANCES and (stillness.look() >= SETTLED or stillness.in_vain):
                return
            time.sleep(PAUSE / 25)

    def waits_in_backlog(self, client: Client) -> bool:
        """Return whether a client is connected, according to the kernel, but not accepted yet."""
        end = self._end_of(client)
        return end is not None and end.queued

    def may_wait(self) -> bool:
        """Return whether the accept queue, whose length listen() has set, has room for 1 more client."""
        listeners = [one for one in self._sockets() if one.listens]
        return not self._tables.complete or all(one.receive_queue <= one.send_queue for one in listeners)

    def situation(self) -> Situation:
        """Look at everything at once."""
        look = self.look()
        ends = self.ends()
        return Situation(look, ends, self.inner_ids(look), held_by(ends, look.processes))

    def ends(self) -> dict[int, Socket]:
        """Find the server's end of each client's connection, by the client's number."""
        numbers = {_port(one): one.number for one in self.clients if one.socket.fileno() >= 0}
        ends = (one for one in self._sockets() if not one.listens)
        return {numbers[one.peer_port]: one for one in ends if one.peer_port in numbers}

    def inner_ids(self, look: Look) -> dict[TaskId, TaskId]:
        """Read the numbers by which the submission itself knows its tasks."""
        zombies = ((pid, pid) for pid in look.zombies)
        return inner_ids([*look.tasks, *zombies])

    def possessions(self) -> Possessions:
        """Count what it holds."""
        look = self.look()
        living = [pid for pid in look.processes if pid not in look.zombies]
        return Possessions(descriptors(living), len(look.tasks), len(living), len(look.zombies))

    def explain(self, number: int) -> tuple[str, str]:
        """Return the bug that client ``number``, waiting in vain, suggests, and what the kernel shows."""
        if over := self._running.over_limit_now():  # before the processes are gone: that comes a moment later
            return "", f"it was ended: it {over}"
        if self.ended is not None:
            return "", f"no process is left: the server ended {self.ending}"
        situation = self.situation()
        return suspicion(situation, number), situation.text() + self._said()

    def last_lines(self) -> str:
        """Abort it, and return the student's own lines at which its threads were; empty if it tells none."""
        lines = [] if self.ended is not None else self._running.last_lines()
        return "\n".join([OWN_LINES, *lines]) if lines else ""

    def _said(self) -> str:
        """Return the end of its output: a thread may have died of an exception while others go on."""
        said = self._running.output().strip()
        return f"\n{SAID}\n{said[-MOST_SAID:]}" if said else ""

    def _sockets(self) -> Sequence[Socket]:
        """Return the sockets of the server's port: its listening socket, and its ends of connections."""
        return self._tables.at(self.address.port)

    def _end_of(self, client: Client) -> Socket | None:
        """Find the server's end of one client's connection."""
        return self._tables.stream(self.address, Address.of(socket.AF_INET, client.socket.getsockname()))


def _port(client: Client) -> int:
    """Return a client's own port: the kernel's tables know the server's end by it."""
    return int(client.socket.getsockname()[1])


def _signal(pid: int, number: int) -> None:
    with suppress(ProcessLookupError):
        os.kill(pid, number)

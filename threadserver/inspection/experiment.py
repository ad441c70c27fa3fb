"""The experiment: open connections one by one, hold them, and look at the server each time it has come to rest.

Nothing here waits for "long enough". After a change, looks are repeated until two agree and no task of the server is
running: a task that has been woken counts as running until it sleeps again, even on a busy machine. Only what does
*not* happen (a connection that stays in the queue) has to be waited for; that patience is bounded.
"""

import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field

from threadserver.core.errors import KitError
from threadserver.inspection.speech import Speech
from threadserver.inspection.subject import QUEUED, Held, Phase, Subject
from threadserver.kernel.look import Look
from threadserver.kernel.processes import switches
from threadserver.kernel.task import Task, TaskId

PAUSE = 0.004  # seconds between two looks
RESTLESS = 0.6  # seconds, at most, to wait for rest; then a server that never rests is looked at as it runs
AT_WORK = 2.0  # seconds, at most, to wait for an answer beyond the patience while the server is at work
PATIENCE = 1.2  # seconds, once, to wait for a queued connection: pools grow by timers of a second


@dataclass(frozen=True, slots=True)
class Sight:
    """A look at a server at rest, with the phases that our connections were in."""

    title: str
    look: Look
    phases: dict[int, Phase]
    inodes: dict[int, int]
    """The server's ends of our accepted connections, by the connection's number."""
    clients: frozenset[int]
    """All accepted connections, ours and other clients', by inode."""
    rested: bool
    """False when the server was still at work at the end of the wait."""
    owners: dict[int, frozenset[int]]
    """The processes that have each of our connections (by inode); only for connections that no task waits to read."""

    @property
    def accepted(self) -> list[int]:
        """Our accepted connections, by number."""
        return [number for number, phase in self.phases.items() if phase is Phase.ACCEPTED]

    @property
    def queued(self) -> list[int]:
        """Our connections that the server has not accepted."""
        return [number for number, phase in self.phases.items() if phase in QUEUED]

    @property
    def gone(self) -> list[int]:
        """Our connections that the server has closed."""
        return [number for number, phase in self.phases.items() if phase is Phase.GONE]

    def watchers(self, number: int) -> list[Task]:
        """Return the tasks that wait for one of our connections, without those that peek when others take its bytes."""
        inode = self.inodes.get(number)
        found = self.look.waiting_for(inode) if inode else []
        return [task for task in found if not task.call.peeks] or found


@dataclass
class Experiment:
    """Our connections to a server, and each sight of it."""

    subject: Subject
    speech: Speech
    deadline: float
    """On the monotonic clock."""
    held: list[Held] = field(default_factory=list)
    sights: list[Sight] = field(default_factory=list)
    died: bool = False
    most: int = 0
    """The most connections that were held at once."""
    nudge: bytes = b""
    """One byte, sent on each connection if the kernel holds connections back until their first bytes."""
    _opened: int = 0

    @property
    def left(self) -> float:
        """Seconds that are left."""
        return self.deadline - time.monotonic()

    def open(self, total: int) -> None:
        """Open connections until ``total`` are held, and note which tasks existed before each batch."""
        known = self._known()
        while len(self.held) < total:
            try:
                one = self.subject.connect(self._opened + 1)
            except KitError:
                if not self.held:
                    raise
                break
            self._opened += 1
            one.known = known
            self.held.append(one)
            self.most = max(self.most, len(self.held))

    def nudge_all(self) -> None:
        """Send one byte on each connection on which nothing was sent yet."""
        for one in self.held:
            if self.nudge and not one.spoken and one.phase in {Phase.DEFERRED, Phase.WAITING}:
                one.send(self.nudge)

    def _known(self) -> frozenset[object]:
        look = self.sights[-1].look if self.sights else self.subject.look(self.held)
        return frozenset(look.processes) | frozenset(look.tasks)

    def close(self, numbers: list[int] | None = None) -> None:
        """Close the connections with these numbers, or all."""
        for one in list(self.held):
            if numbers is None or one.number in numbers:
                with suppress(OSError):
                    one.socket.close()
                self.held.remove(one)

    def see(self, title: str, patience: float = 0.0) -> Sight:
        """Look until the server has come to rest, and return that sight.

        ``patience`` is how long to wait for queued connections, in seconds.
        """
        look, rested = self._settle(patience)
        inodes = {one.number: one.inode for one in self.held if one.phase is Phase.ACCEPTED}
        clients = frozenset(inodes.values()) | self.subject.foreign
        unwatched = {inode for inode in inodes.values() if all(task.call.peeks for task in look.waiting_for(inode))}
        held_by = (
            {inode: frozenset(pids) for inode, pids in self.subject.owners(unwatched).items()} if unwatched else {}
        )
        phases = {one.number: one.phase for one in self.held}
        sight = Sight(title, look, phases, inodes, clients, rested, held_by)
        self.sights.append(sight)
        self.died = not [one for one in look.processes.values() if one.state not in "ZX"]
        return sight

    def _settle(self, patience: float) -> tuple[Look, bool]:
        begun = time.monotonic()
        before: object = None
        while True:
            look = self.subject.look(self.held)
            self._confirm()
            self.nudge_all()
            knocked = self.subject.knock_again(self.held)
            now = self._picture(look)
            waited = time.monotonic() - begun
            resting = now == before and not look.running and not knocked
            hoping = patience and waited < patience and any(one.phase in QUEUED for one in self.held)
            if (resting and not hoping) or waited > max(min(RESTLESS, self.left / 8), patience) or self.left <= 0:
                return look, resting
            before = now
            time.sleep(PAUSE if not hoping else 5 * PAUSE)

    def _picture(self, look: Look) -> object:
        """Return what must be equal in two looks: the sockets that tasks wait for, and the state of our connections."""
        waits = frozenset((task.id, task.call.name, task.sockets) for task in look.tasks.values())
        return waits, tuple((one.phase, len(one.received)) for one in self.held), frozenset(look.processes)

    def _confirm(self) -> None:
        for one in self.held:
            reply = b"" if one.confirmed else self.speech.confirmation(one.received)
            if reply:
                one.confirmed = True
                one.send(reply)

    def ask(self, numbers: list[int], data: bytes, patience: float) -> list[int]:
        """Send something on some connections at once; return those on which an answer came.

        ``patience`` is how long to wait in silence, in seconds: a server that is still at work is given longer.
        """
        asked = [one for one in self.held if one.number in numbers]
        for one in asked:
            one.receive()
        lengths = {one.number: len(one.received) for one in asked}
        for one in asked:
            one.send(data)
        begun = time.monotonic()
        while True:
            for one in asked:
                one.receive()
            answered = [one.number for one in asked if len(one.received) > lengths[one.number]]
            silent = [one for one in asked if one.number not in answered and one.phase is not Phase.GONE]
            waited = time.monotonic() - begun
            if not silent or self.left <= 0 or (waited > patience and not self._at_work(waited - patience)):
                return answered
            time.sleep(PAUSE)

    def _at_work(self, late: float) -> bool:
        """Tell whether a task of the server still runs. A task that has run for long counts as one that always runs."""
        return late < min(AT_WORK, self.left / 4) and self.subject.lens.look().running

    def counters(self) -> dict[TaskId, int]:
        """Return how often each task has gone to sleep."""
        found = {}
        for pid, tid in self.sights[-1].look.tasks:
            with suppress(OSError):
                found[pid, tid] = switches(pid, tid)
        return found


@contextmanager
def experiment(subject: Subject, speech: Speech, time_limit: float) -> Iterator[Experiment]:
    """Experiment with a server; at the end of the block, or on Ctrl-C, all our connections are closed."""
    running = Experiment(subject, speech, time.monotonic() + time_limit)
    try:
        yield running
    finally:
        running.close()

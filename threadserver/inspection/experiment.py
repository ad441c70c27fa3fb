"""The experiment: connections are opened one by one and held; each time the server has come to rest it is looked at.

Nothing here waits for "long enough". A look that follows a change is taken again until two agree and no task of the
server is running: a task that has been woken counts as running until it sleeps again, on a busy machine too. Only
what does *not* happen (a connection that stays in the queue) has to be waited for; that patience is bounded.
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
RESTLESS = 0.6  # seconds, at most, after which a server that never rests is taken as it is
AT_WORK = 2.0  # seconds, at most, that an answer is waited for beyond patience while the server is at work
PATIENCE = 1.2  # seconds that a queued connection is given, once: pools grow by timers of a second


@dataclass(frozen=True, slots=True)
class Sight:
    """A look at rest, with the phases of our connections then."""

    title: str
    look: Look
    phases: dict[int, Phase]
    inodes: dict[int, int]
    """The server's ends of our accepted connections, by the connection's number."""
    clients: frozenset[int]
    """All accepted connections, ours and other clients', by inode."""
    rested: bool
    """False when the server was still at work when it could not be waited for any longer."""
    owners: dict[int, frozenset[int]]
    """Which processes have each of our connections (by inode); only where nobody waits for it but to peek."""

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
        """Give the tasks that wait for one of our connections; not peekers, when others take its bytes."""
        inode = self.inodes.get(number)
        found = self.look.waiting_for(inode) if inode else []
        return [task for task in found if not task.call.peeks] or found


@dataclass
class Experiment:
    """Our connections to a server, and what was seen each time."""

    subject: Subject
    speech: Speech
    deadline: float
    """On the monotonic clock."""
    held: list[Held] = field(default_factory=list)
    sights: list[Sight] = field(default_factory=list)
    died: bool = False
    most: int = 0
    """So many connections were held at most."""
    nudge: bytes = b""
    """One byte: said on each connection where the kernel keeps connections back until their first bytes."""
    _opened: int = 0

    @property
    def left(self) -> float:
        """Seconds that are left."""
        return self.deadline - time.monotonic()

    def open(self, total: int) -> None:
        """Open connections until ``total`` are held, noting who was there before each batch."""
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
        """Say one byte on each connection that has heard nothing of us yet."""
        for one in self.held:
            if self.nudge and not one.spoken and one.phase in {Phase.DEFERRED, Phase.WAITING}:
                one.send(self.nudge)

    def _known(self) -> frozenset[object]:
        look = self.sights[-1].look if self.sights else self.subject.look(self.held)
        return frozenset(look.processes) | frozenset(look.tasks)

    def close(self, numbers: list[int] | None = None) -> None:
        """Close some of our connections, or all."""
        for one in list(self.held):
            if numbers is None or one.number in numbers:
                with suppress(OSError):
                    one.socket.close()
                self.held.remove(one)

    def see(self, title: str, patience: float = 0.0) -> Sight:
        """Look until the server has come to rest; ``patience`` is for queued connections, in seconds."""
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
        """Say what must agree in two looks: who waits for which client, and how far our connections have come."""
        waits = frozenset((task.id, task.call.name, task.sockets) for task in look.tasks.values())
        return waits, tuple((one.phase, len(one.received)) for one in self.held), frozenset(look.processes)

    def _confirm(self) -> None:
        for one in self.held:
            reply = b"" if one.confirmed else self.speech.confirmation(one.received)
            if reply:
                one.confirmed = True
                one.send(reply)

    def ask(self, numbers: list[int], data: bytes, patience: float) -> list[int]:
        """Say something on some connections at once; give those on which something came back.

        ``patience`` is for silence, in seconds: a server that is still at work on what was said is given longer.
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
        """Tell whether a task of the server still runs; one that has run for long runs always."""
        return late < min(AT_WORK, self.left / 4) and self.subject.lens.look().running

    def counters(self) -> dict[TaskId, int]:
        """How often each task has gone to sleep, of a server with not too many."""
        found = {}
        for pid, tid in self.sights[-1].look.tasks:
            with suppress(OSError):
                found[pid, tid] = switches(pid, tid)
        return found


@contextmanager
def experiment(subject: Subject, speech: Speech, time_limit: float) -> Iterator[Experiment]:
    """Experiment with a server; in the end, or on Ctrl-C, every connection of ours is closed."""
    running = Experiment(subject, speech, time.monotonic() + time_limit)
    try:
        yield running
    finally:
        running.close()

"""Which tasks an answer needs: all others are held still, and a client asks.

A task that answers by itself still answers then, even if the tasks that log, count, accept or wait beside it stand
still. Other tasks are needed for the answer: an engine behind threads that only send, an executor behind a loop, a
parent to which children pass the bytes. While these are held still, every client waits; when they are released, the
answers come. So this finds a cause; it does not guess from what runs at the same time.

Clients ask in three ways, because a server may need other tasks in only one of them: short lines one by one, a few
lines at once with a long one among them, and several clients at the same time.

Two rules protect a correct server. Only a task that sleeps in a call counts as held, because a running task may hold a
lock (the interpreter's, say). And nothing is claimed unless it happens again and again, and unless the task was also
seen to run for the lines, by the trace or by its counters.
"""

import random
from collections.abc import Callable, Iterable, Sequence
from collections.abc import Set as AbstractSet
from contextlib import suppress
from dataclasses import dataclass, field

from threadserver.judge.outcomes import WrongError
from threadserver.judge.peer import Peer
from threadserver.judge.program import Program
from threadserver.judge.serving import TakingPart, Tasks
from threadserver.judge.stillness import BUSY
from threadserver.kernel.call_trace import CallTrace, every_call
from threadserver.kernel.processes import processor_time, status, switches
from threadserver.kernel.task import TaskId

TRIED = 3
"""Clients that ask while all others are held, and how often each may be asked again."""
SERIES = 3
"""Lines, or groups of lines, that a client sends each time, each as soon as the previous one is answered."""
HOLDS = 12
"""Attempts to hold tasks at a moment at which all of them sleep."""
FEWER = 2
"""The same with a server that is known never to rest: its verdict must not take longer for that."""
AT_REST = 12
"""Looks in a row at which the tasks that should answer sleep, and no answer has come."""
CHANCES = 150
"""The most looks: tasks with timers wake up again and again."""
PAUSE = 0.01  # seconds between two looks
MOST_SUSPECTS = 3
MOST = 0.6
"""The share of the clients for which others must have been seen to run."""
EFFORT, TIMES = 5_000_000, 5
"""Nanoseconds of processor time, and how many times as much as otherwise: a task that spins to wait for others."""

Lines = Callable[[random.Random], bytes]


@dataclass(frozen=True, slots=True)
class Way:
    """A way in which clients ask. ``groups`` ask at the same time."""

    say: Lines
    groups: Sequence[Sequence[Peer]]
    ran: Tasks
    """The tasks that ran for each client when it asked in this way, without those that answered."""

    @property
    def seen(self) -> bool:
        """True when others ran for most of the clients."""
        return sum(bool(tasks) for tasks in self.ran.values()) >= MOST * len(self.ran)

    def suspects(self, peers: Sequence[Peer]) -> frozenset[TaskId]:
        """Return the tasks that ran for any of these clients."""
        return frozenset().union(*(self.ran.get(peer.number, frozenset()) for peer in peers))


@dataclass(slots=True)
class _Attempt:
    """What happened while clients asked and tasks were held."""

    waits: bool = False
    """True when a client was not answered until they were released."""
    slept: bool = False
    """True when the task that answered waited first, and then went on by itself."""
    effort: int = 0
    """Nanoseconds that the tasks that answer have run."""
    owed: list[tuple[Peer, bytes]] = field(default_factory=list)


class _Asking:
    """Asks clients while tasks are held still."""

    def __init__(self, program: Program, works: Tasks, random: random.Random) -> None:
        self._program, self._works, self._random = program, works, random
        self.gave_up: list[bool] = []
        """For each attempt with an answer: whether it came only after a wait in vain."""
        self.restless = False
        """True when the other tasks never all slept at the same time."""

    def others(self, peers: Sequence[Peer]) -> frozenset[TaskId]:
        """Return every task but those that answer these clients."""
        return self._program.task_ids() - self._own(peers)

    def waits(self, way: Way, peers: Sequence[Peer], held: Iterable[TaskId]) -> bool:
        """Tell whether clients wait in vain, again and again, while these tasks are held; True is never guessed.

        Raises WrongError if they are not answered after the tasks are released.
        """
        held = frozenset(held)
        for _ in range(TRIED):
            attempt = self.attempt(way, peers, held)
            if attempt is None or not attempt.waits:
                self.gave_up.append(attempt is not None and attempt.slept)
                return False
        return True

    def attempt(self, way: Way, peers: Sequence[Peer], held: AbstractSet[TaskId]) -> _Attempt | None:
        """Let clients ask while these tasks are held. Return None if they cannot be held."""
        for _ in range(0 if self.restless else FEWER if self._program.patience.restless else HOLDS):
            self._program.settle()
            with every_call(self._program.task_ids, frozenset(tid for _, tid in held)) as calls:
                if calls.problem:
                    return None
                found = self._ask(way, peers, calls) if calls.holding else None
            if found:
                for peer, line in found.owed:
                    peer.expect(line, "sent a line while some of the server's tasks were held still, and then released")
                return found
        self.restless = True
        return None

    def _ask(self, way: Way, peers: Sequence[Peer], calls: CallTrace) -> _Attempt:
        found = _Attempt()
        own = self._own(peers)
        before = _time_of(own)
        for _ in range(SERIES):
            found.owed = [(peer, way.say(self._random)) for peer in peers]
            for peer, line in found.owed:
                peer.send(line)
            found.waits = not all(self._answered(peer, len(line)) for peer, line in found.owed)
            if found.waits:
                break
            for peer, line in found.owed:
                peer.expect(line, "sent a line and expected it back")
            found.owed = []
        found.slept = bool(calls.sent) and all(calls.waited(inode) for inode in {one.inode for one in calls.sent})
        found.effort = _time_of(own) - before
        return found

    def _own(self, peers: Sequence[Peer]) -> frozenset[TaskId]:
        return frozenset().union(*(self._works[peer.number] for peer in peers))

    def _answered(self, peer: Peer, size: int) -> bool:
        """Wait for an answer until the tasks that should send it have come to rest."""
        before: list[tuple[str, int]] = []
        same = 0
        for _ in range(CHANCES):
            if peer.has_come(within=PAUSE, size=size):
                return True
            now = [_state(task) for task in sorted(self._works[peer.number])]
            same = same + 1 if now == before and not any(state.encode() in BUSY for state, _ in now) else 0
            before = now
            if same >= AT_REST:
                return peer.has_come(size=size)
        return False


def others_that_answer(program: Program, ways: Sequence[Way], works: Tasks, random: random.Random) -> TakingPart:
    """Find the tasks without which clients get no answer from the tasks that send it, whichever way they ask."""
    doubt, asking = TakingPart(), _Asking(program, works, random)
    for way in ways:
        asking.gave_up.clear()
        found = _others(program, way, asking)
        if found.seen:
            return found
        doubt = doubt if doubt.doubt else found
    return doubt


def _others(program: Program, way: Way, asking: _Asking) -> TakingPart:
    try:
        waiting = [
            peers for peers in way.groups if (others := asking.others(peers)) and asking.waits(way, peers, others)
        ]
        if len(waiting) < len(way.groups):
            return _not_needed(way, asking)
        peers = waiting[0]
        suspects = _one_of(asking, way, peers, sorted(way.suspects(peers) & asking.others(peers)))
    except WrongError as error:
        return TakingPart(doubt=f"Some tasks of your server were held still for a moment, and then {error}")
    if not way.seen or not suspects:
        return TakingPart(
            doubt="While all other tasks are held still, no client is answered; but otherwise none of them runs"
        )
    return TakingPart(_needed(program, way, suspects, peers[0]))


def _needed(program: Program, way: Way, suspects: list[TaskId], peer: Peer) -> str:
    situation = program.situation()
    names = " and ".join(situation.name_of(task) for task in suspects[:MOST_SUSPECTS])
    if len(suspects) > MOST_SUSPECTS:
        names = f"{len(suspects)} other tasks"
    one = len(suspects) == 1
    every = all(set(suspects) <= tasks for tasks in way.ran.values())
    return (
        f"{names} {'runs' if one else 'run'} for every line of {'every client' if every else peer.name}, too: "
        f"while {'it is' if one else 'they are'} held still, no client is answered"
    )


def _not_needed(way: Way, asking: _Asking) -> TakingPart:
    """Doubt that others are not needed if the task that answers first waits for them in vain."""
    if not way.seen:
        return TakingPart()
    if asking.gave_up and all(asking.gave_up):
        return TakingPart(
            "other tasks take part in the answers: while they are held still, each answer comes only after the task "
            "that sends it has waited for them in vain, until a time-out"
        )
    if asking.restless:
        return TakingPart(
            doubt="Other tasks run for the lines and never all sleep at once, so they could not be held still"
        )
    if all(_toils(asking, way, peers) for peers in way.groups):
        return TakingPart(
            doubt="While the other tasks are held still, the task that answers computes much longer for each line"
        )
    return TakingPart()


def _toils(asking: _Asking, way: Way, peers: Sequence[Peer]) -> bool:
    """Tell whether the tasks that answer run for much longer while all others are held, each time."""
    held, free = [
        [asking.attempt(way, peers, tasks) for _ in range(TRIED)] for tasks in (asking.others(peers), frozenset())
    ]
    if None in held or None in free:
        return False
    least, most = min(one.effort for one in held if one), max(one.effort for one in free if one)
    return least > EFFORT and least > TIMES * most


def _one_of(asking: _Asking, way: Way, peers: Sequence[Peer], suspects: list[TaskId]) -> list[TaskId]:
    """Narrow the suspects down to one, if that one alone is needed."""
    for task in suspects if len(suspects) <= MOST_SUSPECTS else ():
        if asking.waits(way, peers, [task]):
            return [task]
    left = suspects
    while len(left) > 1:
        half = left[: len(left) // 2]
        rest = left[len(left) // 2 :]
        if asking.waits(way, peers, half):
            left = half
        elif asking.waits(way, peers, rest):
            left = rest
        else:
            return suspects
    return left


def _time_of(tasks: Iterable[TaskId]) -> int:
    total = 0
    for task in tasks:
        with suppress(OSError):
            total += processor_time(*task)
    return total


def _state(task: TaskId) -> tuple[str, int]:
    with suppress(OSError):
        return status(*task).state, switches(*task)
    return "X", 0

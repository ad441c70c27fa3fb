"""Which tasks an answer needs: all others are held still, and a client asks.

A task that answers by itself still answers then, even if the tasks that log, count, accept or wait beside it stand
still. Other tasks are needed for the answer: an engine behind threads that only send, an executor behind a loop, a
parent to which children pass the bytes. While these are held still, every client waits; when they are released, the
answers come. So this finds a cause; it does not guess from what runs at the same time.

Two rules protect a correct server. Only a task that sleeps in a call counts as held, because a running task may hold a
lock (the interpreter's, say). And nothing is claimed unless it happens again and again, and unless the task was also
seen to run between lines and answers, by the trace or by its counters.
"""

import random
from collections.abc import Iterable, Sequence
from contextlib import suppress

from threadserver.judge.outcomes import WrongError
from threadserver.judge.peer import Peer
from threadserver.judge.program import Program
from threadserver.judge.serving import TakingPart, Tasks
from threadserver.judge.stillness import BUSY
from threadserver.kernel.call_trace import every_call, held_still
from threadserver.kernel.processes import status, switches
from threadserver.kernel.task import TaskId

TRIED = 3
"""Clients that ask while all others are held, and how often each may be asked again."""
AT_REST = 12
"""Looks in a row at which the tasks that should answer sleep, and no answer has come."""
CHANCES = 150
"""The most looks: tasks with timers wake up again and again."""
PAUSE = 0.01  # seconds between two looks
MOST_SUSPECTS = 3
MOST = 0.6
"""The share of the clients for which others must have been seen to run."""


class _Asking:
    """Asks clients while tasks are held still."""

    def __init__(self, program: Program, works: Tasks, random: random.Random) -> None:
        self._program, self._works, self._random = program, works, random
        self.gave_up: dict[int, bool] = {}
        """Clients whose every answer came only after the task that answers had waited until a time-out."""

    def others(self, peer: Peer) -> frozenset[TaskId]:
        """Return every task but the one that answers this client."""
        return self._program.task_ids() - self._works[peer.number]

    def waits(self, peer: Peer, held: Iterable[TaskId]) -> bool:
        """Tell whether this client waits in vain, again and again, while these tasks are held; True is never guessed.

        Raises WrongError if it is not answered after they are released.
        """
        return all(self._once(peer, frozenset(held)) for _ in range(TRIED))

    def _once(self, peer: Peer, held: frozenset[TaskId]) -> bool:
        self._program.settle()
        line = b"held %d" % self._random.randrange(10**9)
        with held_still(tid for _, tid in held) as still:
            if still.problem or not still.asleep:
                return False
            with every_call(lambda: self._works[peer.number]) as calls:
                peer.send(line + b"\n")
                waits = not self._answered(peer)
        peer.expect(line + b"\n", "sent a line while some of the server's tasks were held still, and then released")
        self.gave_up.setdefault(peer.number, True)
        self.gave_up[peer.number] &= not waits and calls.gave_up()
        return waits

    def _answered(self, peer: Peer) -> bool:
        """Wait for an answer until those that should give it have come to rest."""
        before: list[tuple[str, int]] = []
        same = 0
        for _ in range(CHANCES):
            if peer.has_come(within=PAUSE):
                return True
            now = [_state(task) for task in sorted(self._works[peer.number])]
            same = same + 1 if now == before and not any(state.encode() in BUSY for state, _ in now) else 0
            before = now
            if same >= AT_REST:
                return peer.has_come()
        return False


def others_that_answer(
    program: Program, clients: Sequence[Peer], works: Tasks, ran: Tasks, random: random.Random
) -> TakingPart:
    """Find the tasks without which these clients get no answer from the tasks that send it.

    ``ran`` are the tasks that were seen to run for each of the clients, without the one that answered.
    """
    asking = _Asking(program, works, random)
    asked = random.sample(list(clients), min(TRIED, len(clients)))
    try:
        wait = [bool(asking.others(peer)) and asking.waits(peer, asking.others(peer)) for peer in asked]
        if not all(wait):
            return _given_up(asking.gave_up)
        seen = sum(bool(tasks) for tasks in ran.values()) >= MOST * len(ran)
        suspects = _one_of(asking, asked[0], sorted(ran.get(asked[0].number, frozenset()) & asking.others(asked[0])))
    except WrongError as error:
        return TakingPart(doubt=f"Some tasks of your server were held still for a moment, and then {error}")
    situation = program.situation()
    if not seen or not suspects:
        return TakingPart(
            doubt="While all other tasks are held still, no client is answered; but otherwise none of them runs"
        )
    names = " and ".join(situation.name_of(task) for task in suspects[:MOST_SUSPECTS])
    if len(suspects) > MOST_SUSPECTS:
        names = f"{len(suspects)} other tasks"
    one = len(suspects) == 1
    every = (
        "every client" if all(set(suspects) <= ran.get(peer.number, frozenset()) for peer in asked) else asked[0].name
    )
    return TakingPart(
        f"{names} {'runs' if one else 'run'} for every line of {every}, too: "
        f"while {'it is' if one else 'they are'} held still, no client is answered"
    )


def _given_up(gave_up: dict[int, bool]) -> TakingPart:
    """Say that a task answers by itself only when it has waited in vain for another one."""
    if not gave_up or not all(gave_up.values()):
        return TakingPart()
    return TakingPart(
        "other tasks take part in the answers: while they are held still, each answer comes only after the task that "
        "sends it has waited for them in vain, until a time-out"
    )


def _one_of(asking: _Asking, peer: Peer, suspects: list[TaskId]) -> list[TaskId]:
    """Narrow the suspects down to one, if that one alone is needed."""
    for task in suspects if len(suspects) <= MOST_SUSPECTS else ():
        if asking.waits(peer, [task]):
            return [task]
    left = suspects
    while len(left) > 1:
        half = left[: len(left) // 2]
        rest = left[len(left) // 2 :]
        if asking.waits(peer, half):
            left = half
        elif asking.waits(peer, rest):
            left = rest
        else:
            return suspects
    return left


def _state(task: TaskId) -> tuple[str, int]:
    with suppress(OSError):
        return status(*task).state, switches(*task)
    return "X", 0

"""Watching while clients are served: what the witnesses of `serving` see."""

import random
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace

from threadserver.judge.peer import Peer
from threadserver.judge.program import Program
from threadserver.judge.serving import Serving, TakingPart, Tasks, without_bystanders
from threadserver.judge.situation import Situation
from threadserver.judge.taking_part import others_that_answer
from threadserver.kernel.call_trace import CallTrace, every_call
from threadserver.kernel.processes import processor_time
from threadserver.kernel.task import TaskId

QUIET = 0.15
"""Seconds in which no client sends anything, several times, to tell a timer from a task that runs for every line."""

UNTRACED = 8
"""Clients that say a line while the server is not traced."""


@dataclass(slots=True)
class _Rounds:
    """Every call of the server while each of the clients was asked once."""

    calls: CallTrace
    inodes: dict[int, int]
    """Each client's connection, by the client's number."""
    parts: dict[int, slice] = field(default_factory=dict)
    """The steps from each client's line to the next one's."""
    asked: dict[int, int] = field(default_factory=dict)
    """The bytes of each client's answer."""

    def works(self) -> Tasks:
        """Return the tasks that sent each answer, if all of it was seen to be sent."""
        whole = (number for number, size in self.asked.items() if self.calls.sent_bytes(self.inodes[number]) >= size)
        return {number: self.calls.senders(self.inodes[number]) for number in whole}

    def reads(self) -> Tasks:
        """Return the tasks that read each client's line."""
        found = {number: self.calls.readers(self.inodes[number]) for number in self.asked}
        return {number: tasks for number, tasks in found.items() if tasks}

    def ran_between(self) -> Tasks:
        """Return the tasks that ran between each client's line and its answer, without the one that answered."""
        return {number: self.calls.between(self.inodes[number]) for number in self.asked}

    def made(self) -> Tasks:
        """Return the tasks that were made between each client's line and its answer."""
        return {number: self.calls.made_for(self.inodes[number]) for number in self.asked}

    def ran(self) -> Tasks:
        """Return the tasks that ran at all for each client's line."""
        return {
            number: frozenset(self.calls.id_of(step.tid) for step in self.calls.steps[part] if step.result is not None)
            for number, part in self.parts.items()
        }


def ask_in_any_order(peers: Sequence[Peer], random: random.Random, rounds: int = 1) -> int:
    """Let each client send a line and get its answer, in a random order in each round, while all others stay.

    Returns the number of bytes in all answers.
    """
    size = 0
    for number in range(rounds):
        for peer in random.sample(peers, len(peers)):
            line = b"round %d of client %d: %d" % (number + 1, peer.number, random.randrange(10**9))
            peer.ask(line)
            size += len(line) + 1
    return size


def observe(program: Program, clients: Sequence[Peer], random: random.Random, model: str = "") -> Serving:
    """Look which task waits for each of these clients; then ask each, in a random order, and see which task answers.

    The clients are held and confirmed. ``model`` is the lab's. Raises WrongError when a client gets no answer.
    """
    program.settle()
    situation = program.situation()
    if missing := [peer for peer in clients if peer.number not in situation.ends]:
        raise missing[0].wrong(f"{missing[0].name} is connected, but the server has closed its end")
    few = random.sample(list(clients), min(UNTRACED, len(clients)))
    moved = _moved_by(program, few, random, situation)
    rounds = _traced(program, clients, random, situation)
    outer = {inner: task for task, inner in situation.inner.items()}
    waits = {peer.number: frozenset(task.id for task in situation.reading_from(peer.number)) for peer in clients}
    seen = Serving(
        before={peer.number: peer.known for peer in clients},
        works=rounds.works(),
        reads=rounds.reads(),
        made=rounds.made(),
        untraced=rounds.calls.problem,
        blind=rounds.calls.blind,
        waits={number: tasks for number, tasks in waits.items() if tasks},
        hello=_claims(clients, outer),
        situation=situation,
        model=model,
    )
    if rounds.calls.problem:
        return replace(seen, works=without_bystanders(_moved_by(program, clients, random, situation)))
    if len(seen.works) < len(clients):
        return seen
    return replace(seen, others=_others(program, clients, seen, moved, rounds, random))


def _others(
    program: Program, clients: Sequence[Peer], seen: Serving, moved: Tasks, rounds: _Rounds, random: random.Random
) -> TakingPart:
    """Find out which tasks take part in addition to those that answer, and whether they also did while untraced."""
    between, ran = rounds.ran_between(), rounds.ran()

    beside = {number: (between[number] | moved.get(number, frozenset())) - seen.works[number] for number in seen.works}
    found = others_that_answer(program, clients, seen.works, beside, random)
    own = seen.workers
    hidden = {task for task in _all(moved) - own if _often(task, moved, 1.0) and not _often(task, ran, 0.2)}
    if found.seen or found.doubt or not hidden or len(moved) < UNTRACED:
        return found
    hidden -= _timers(program, seen.situation)
    if not hidden:
        return found
    name = seen.situation.name_of(min(hidden))
    return TakingPart(doubt=f"{name} runs for every line, but not while the judge traces it")


def _timers(program: Program, situation: Situation) -> set[TaskId]:
    """Find the tasks that run although no client sends anything: a long round on a busy machine meets them."""
    found = set()
    for _ in range(UNTRACED):
        program.settle()
        before = _counters(situation)
        time.sleep(QUIET)
        program.settle()
        found |= {task for task, count in _counters(situation).items() if count != before.get(task)}
    return found


def _often(task: TaskId, ran: Tasks, share: float = 0.6) -> bool:
    return sum(task in tasks for tasks in ran.values()) >= share * len(ran)


def _all(tasks: Tasks) -> set[TaskId]:
    return set().union(*tasks.values())


def _claims(clients: Sequence[Peer], outer: dict[TaskId, TaskId]) -> Tasks:
    """Look up the tasks that HELLO names. A process alone (``worker=12``) is not enough if it has several threads."""
    threads: dict[int, list[TaskId]] = {}
    for inner in outer:
        threads.setdefault(inner[0], []).append(inner)
    found: Tasks = {}
    for peer in clients:
        words = peer.greeting.worker.split("/") if peer.greeting else []
        if not words or not all(word.isdecimal() for word in words):
            continue
        pid = int(words[0])
        named = (pid, int(words[1])) if len(words) > 1 else None
        if named is None and len(threads.get(pid, [])) == 1:
            named = threads[pid][0]
        if named in outer:
            found[peer.number] = frozenset({outer[named]})
    return found


def _moved_by(
    program: Program, clients: Sequence[Peer], random: random.Random, situation: Situation
) -> dict[int, frozenset[TaskId]]:
    """Ask the clients one by one, each when the server rests again, and find the tasks that ran for each."""
    moved = {}
    for peer in random.sample(clients, len(clients)):
        program.settle()
        before = _counters(situation)
        ask_in_any_order([peer], random)
        program.settle()
        after = _counters(situation)
        moved[peer.number] = frozenset(task for task, count in after.items() if count != before.get(task))
    return moved


def _traced(program: Program, clients: Sequence[Peer], random: random.Random, situation: Situation) -> _Rounds:
    inodes = {number: end.inode for number, end in situation.ends.items()}
    with every_call(program.task_ids) as calls:
        rounds = _Rounds(calls, inodes)
        if calls.problem:
            return rounds
        for peer in random.sample(clients, len(clients)):
            begun = len(calls.steps)
            rounds.asked[peer.number] = ask_in_any_order([peer], random)
            rounds.parts[peer.number] = slice(begun, len(calls.steps))
    return rounds


def greeters(program: Program, arrive: Callable[[], Peer]) -> tuple[Peer, frozenset[TaskId]]:
    """Let 1 more client come. Return it with the tasks that greeted it: none if that cannot be traced.

    The client stays, and is confirmed. Raises WrongError when it is not greeted.
    """
    with every_call(program.task_ids) as calls:
        peer = arrive()
        peer.hello()
        end = program.ends().get(peer.number)
    peer.confirm()
    return peer, calls.senders(end.inode) if end else frozenset()


@dataclass(frozen=True, slots=True)
class Accepted:
    """The task that accepted each client. ``problem`` says why that is not known."""

    by: dict[int, TaskId]
    problem: str = ""


def accepting(program: Program, come: Callable[[], list[Peer]]) -> tuple[list[Peer], Accepted]:
    """Let clients come, and find the task that accepted each."""
    with every_call(program.task_ids) as calls:
        peers = come()
        ends = program.ends()
    accepted = {number: calls.accepted[end.inode] for number, end in ends.items() if end.inode in calls.accepted}
    known = {number: calls.id_of(tid) for number, tid in accepted.items()}
    missing = [peer for peer in peers if peer.number not in known]
    return peers, Accepted(known, calls.problem or (calls.blind or "an accept() was not seen" if missing else ""))


def _counters(situation: Situation) -> dict[TaskId, int]:
    found = {}
    for pid, tid in situation.look.tasks:
        with suppress(OSError):
            found[pid, tid] = processor_time(pid, tid)
    return found

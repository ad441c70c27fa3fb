"""Watching while clients are served: what the witnesses of `serving` see."""

import errno
import random
import time
from collections.abc import Callable, Sequence
from collections.abc import Set as AbstractSet
from contextlib import suppress
from dataclasses import dataclass, field, replace

from threadserver.judge.peer import Peer
from threadserver.judge.program import Program
from threadserver.judge.serving import Serving, TakingPart, Tasks, without_bystanders
from threadserver.judge.situation import Situation
from threadserver.judge.taking_part import TRIED, Way, others_that_answer
from threadserver.judge.transcript import shown
from threadserver.kernel.call_trace import CallTrace, every_call
from threadserver.kernel.processes import processor_time, switches
from threadserver.kernel.sharing import share_memory
from threadserver.kernel.syscalls import WAIT
from threadserver.kernel.task import TaskId

LONG = (200, 1500)
"""Bytes of a line that is not short."""
UNTRACED = 2
"""Clients that ask while the server is not traced."""
QUICK = 12
"""Lines in a row that each of them sends, to tell a timer from a task that runs for every line."""
NEARLY = 0.8
"""The part of these lines for which such a task has woken up."""
RARELY = 0.2
"""The part of the clients for which others ran, below which they are taken not to run."""


def short_line(random: random.Random) -> bytes:
    """Draw a line of a few bytes, as any client could say it."""
    return random.randbytes(random.randint(2, 24)).hex().encode() + b"\n"


def long_lines(random: random.Random) -> bytes:
    """Draw a few lines that come at once, one of them longer."""
    few = [short_line(random) for _ in range(random.randint(1, 3))]
    return b"".join(few) + random.randbytes(random.randint(*LONG) // 2).hex().encode() + b"\n"


@dataclass(slots=True)
class _Rounds:
    """Every call of the server while each of the clients was asked once."""

    calls: CallTrace
    inodes: dict[int, int]
    """Each client's connection, by the client's number."""
    parts: dict[int, slice] = field(default_factory=dict)
    """The steps from each client's short line to the next one's."""
    long: dict[int, slice] = field(default_factory=dict)
    """The same, where a few of them said long lines."""
    together: slice = field(default_factory=lambda: slice(0))
    """The steps while all asked at once."""
    asked: dict[int, int] = field(default_factory=dict)
    """The bytes of each client's answers."""

    def works(self) -> Tasks:
        """Return the tasks that sent each answer, if all of it was seen to be sent."""
        whole = (number for number, size in self.asked.items() if self.calls.sent_bytes(self.inodes[number]) >= size)
        return {number: self.calls.senders(self.inodes[number]) for number in whole}

    def reads(self) -> Tasks:
        """Return the tasks that read each client's lines."""
        found = {number: self.calls.readers(self.inodes[number]) for number in self.asked}
        return {number: tasks for number, tasks in found.items() if tasks}

    def made(self) -> Tasks:
        """Return the tasks that were made between each client's short line and its answer."""
        return {number: self.calls.made_for(self.inodes[number], part) for number, part in self.parts.items()}

    def waiting(self) -> frozenset[TaskId]:
        """Return the tasks that waited for something when any of these answers was sent: a timer does."""
        calls = self.calls
        return _all({number: calls.waiting_when_sent(self.inodes[number], part) for number, part in self.parts.items()})

    def ran(self, part: slice, workers: AbstractSet[TaskId]) -> frozenset[TaskId]:
        """Return the tasks that came out of a call with something to do in these steps.

        Those that were made meanwhile are left out: `made`. Of the ``workers`` it must be a call in which tasks wait,
        for a worker may come out of its send() only when its client has already been answered. Any other task may be
        so busy, writing a log, say, that it never waits.
        """
        steps = (
            (self.calls.id_of(step.tid), step.call)
            for step in self.calls.steps[part]
            if step.result not in {None, -errno.EAGAIN} and step.tid not in self.calls.born
        )
        return frozenset(task for task, call in steps if call in WAIT or task not in workers)


def ask_in_any_order(peers: Sequence[Peer], random: random.Random, rounds: int = 1) -> None:
    """Let each client send a line and get its answer, in a random order in each round, while all others stay."""
    for _ in range(rounds):
        for peer in random.sample(peers, len(peers)):
            say(peer, short_line(random))


def say(peer: Peer, lines: bytes) -> int:
    """Let a client say these lines at once and get their answers. Return how many bytes they are."""
    peer.send(lines)
    many = lines.count(b"\n") > 1
    peer.expect(lines, f"sent {shown(lines.rstrip())} and expected the same line{'s' * many} back")
    return len(lines)


def observe(
    program: Program, clients: Sequence[Peer], random: random.Random, model: str = "", many_lines: bool = True
) -> Serving:
    """Look which task waits for each of these clients; then ask each, in a random order, and see which task answers.

    The clients are held and confirmed. ``model`` is the lab's; with ``many_lines`` a few clients also say several lines
    at once. Raises WrongError when a client gets no answer.
    """
    program.settle()
    situation = program.situation()
    if missing := [peer for peer in clients if peer.number not in situation.ends]:
        raise missing[0].wrong(f"{missing[0].name} is connected, but the server has closed its end")
    untraced = [_Quick.of(program, peer, random) for peer in random.sample(clients, min(UNTRACED, len(clients)))]
    rounds = _traced(program, clients, random, situation, TRIED if many_lines else 0)
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
    program.settle()
    return replace(
        seen,
        others=_others(program, clients, seen, untraced, rounds, random),
        done=_all(seen.made) - rounds.waiting() - program.task_ids(),
        one_memory=share_memory({pid for pid, _ in seen.workers}),
    )


def _others(
    program: Program,
    clients: Sequence[Peer],
    seen: Serving,
    untraced: "Sequence[_Quick]",
    rounds: _Rounds,
    random: random.Random,
) -> TakingPart:
    """Find out which tasks take part in addition to those that answer, and whether they also did while untraced."""
    traced = {number: rounds.ran(part, seen.workers) - seen.works[number] for number, part in rounds.parts.items()}
    found = others_that_answer(program, _ways(clients, seen, untraced, traced, rounds, random), seen.works, random)
    if found.seen or found.doubt or sum(map(bool, traced.values())) >= RARELY * len(traced):
        return found
    if not all(one.runs_others(seen.works[one.number]) for one in untraced):
        return found
    again = [_Quick.of(program, peer, random, compare=True) for peer in clients if peer.number == untraced[0].number]
    if not again[0].runs_others(seen.works[again[0].number]):
        return found
    name = seen.situation.name_of(max(again[0].others(seen.works[again[0].number])))
    return TakingPart(doubt=f"{name} runs for every line, but not while the judge traces it")


def _ways(
    clients: Sequence[Peer],
    seen: Serving,
    untraced: "Sequence[_Quick]",
    traced: Tasks,
    rounds: _Rounds,
    random: random.Random,
) -> list[Way]:
    ran = traced | {one.number: traced[one.number] | one.others(seen.works[one.number]).keys() for one in untraced}
    one_by_one = [[peer] for peer in random.sample(clients, min(TRIED, len(clients)))]
    long = {number: rounds.ran(part, seen.workers) - seen.works[number] for number, part in rounds.long.items()}
    talkers = [[peer] for peer in clients if peer.number in long]
    ways = [Way(short_line, one_by_one, ran)]
    if talkers:
        ways.append(Way(long_lines, talkers, long))
    if len(clients) > 1:
        beside = rounds.ran(rounds.together, seen.workers) - seen.workers
        few = random.sample(clients, min(TRIED, len(clients)))
        ways.append(Way(short_line, [few], {peer.number: beside for peer in few}))
    return ways


@dataclass(frozen=True, slots=True)
class _Quick:
    """How often each task has woken up while a client sent several lines in a row and the server was not traced."""

    number: int
    woken: dict[TaskId, int]

    @classmethod
    def of(cls, program: Program, peer: Peer, random: random.Random, *, compare: bool = False) -> "_Quick":
        """Let a client say lines. ``compare``: leave out how often each task wakes up in as long a silence."""
        program.settle()
        before, begun = _woken(program), time.monotonic()
        for _ in range(QUICK):
            say(peer, short_line(random))
        after = _woken(program)
        if compare:
            time.sleep(time.monotonic() - begun)
            idle = _woken(program)
            before = {
                task: count + idle.get(task, after[task]) - after[task]
                for task, count in before.items()
                if task in after
            }
        return cls(peer.number, {task: count - before[task] for task, count in after.items() if task in before})

    def others(self, own: AbstractSet[TaskId]) -> dict[TaskId, int]:
        """Return how often each task woke up that does not answer this client."""
        return {task: count for task, count in self.woken.items() if count > 0 and task not in own}

    def runs_others(self, own: AbstractSet[TaskId]) -> bool:
        """Tell whether tasks that do not answer this client woke up for nearly every line."""
        return sum(self.others(own).values()) >= NEARLY * QUICK


def _woken(program: Program) -> dict[TaskId, int]:
    found = {}
    for task in program.task_ids():
        with suppress(OSError):
            found[task] = switches(*task)
    return found


def _all(tasks: Tasks) -> frozenset[TaskId]:
    return frozenset().union(*tasks.values())


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


def _moved_by(program: Program, clients: Sequence[Peer], random: random.Random, situation: Situation) -> Tasks:
    """Ask clients, one when the server rests again after the other, and find the tasks that ran for each."""
    moved = {}
    for peer in random.sample(clients, len(clients)):
        program.settle()
        before = _counters(situation)
        say(peer, short_line(random))
        program.settle()
        after = _counters(situation)
        moved[peer.number] = frozenset(task for task, count in after.items() if count != before.get(task))
    return moved


def _traced(
    program: Program, clients: Sequence[Peer], random: random.Random, situation: Situation, talkers: int
) -> _Rounds:
    """Let each client say a line, then this many say several, and in the end all one at the same time."""
    inodes = {number: end.inode for number, end in situation.ends.items()}
    with every_call(program.task_ids) as calls:
        rounds = _Rounds(calls, inodes)
        if calls.problem:
            return rounds
        for peer in random.sample(clients, len(clients)):
            begun = len(calls.steps)
            rounds.asked[peer.number] = say(peer, short_line(random))
            rounds.parts[peer.number] = slice(begun, len(calls.steps))
        for peer in random.sample(clients, min(talkers, len(clients))):
            begun = len(calls.steps)
            rounds.asked[peer.number] += say(peer, long_lines(random))
            rounds.long[peer.number] = slice(begun, len(calls.steps))
        begun = len(calls.steps)
        lines = [(peer, short_line(random)) for peer in random.sample(clients, len(clients))]
        for peer, line in lines:
            peer.send(line)
        for peer, line in lines:
            peer.expect(line, "sent a line at the same time as all others, and expected it back")
            rounds.asked[peer.number] += len(line)
        rounds.together = slice(begun, len(calls.steps))
    return rounds


def greeters(program: Program, arrive: Callable[[], Peer]) -> tuple[Peer, frozenset[TaskId]]:
    """Let 1 more client come. Return it with the tasks that greeted it and read its CONFIRM: none where untraced.

    The client stays. Raises WrongError when it is not greeted.
    """
    with every_call(program.task_ids) as calls:
        peer = arrive().greet()
        end = program.ends().get(peer.number)
    return peer, calls.senders(end.inode) | calls.readers(end.inode) if end else frozenset()


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

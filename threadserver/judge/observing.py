"""Watching while clients are served: what the witnesses of `serving` see."""

import random
from collections.abc import Callable, Sequence
from contextlib import suppress

from threadserver.judge.peer import Peer
from threadserver.judge.program import Program
from threadserver.judge.serving import Serving, Tasks, without_bystanders
from threadserver.judge.situation import Situation
from threadserver.kernel.processes import switches
from threadserver.kernel.task import TaskId
from threadserver.kernel.tracing import senders

TRACE_SECONDS = 10.0
"""Seconds within which strace has to attach."""


def ask_in_any_order(peers: Sequence[Peer], random: random.Random, rounds: int = 1) -> None:
    """Let each client say a line and get its answer, in a random order in each round, while all others stay."""
    for number in range(rounds):
        for peer in random.sample(peers, len(peers)):
            peer.ask(b"round %d of client %d: %d" % (number + 1, peer.number, random.randrange(10**9)))


def observe(program: Program, clients: Sequence[Peer], random: random.Random, model: str = "") -> Serving:
    """Look at the task that waits for each of these clients, then ask each in a random order, and see which answers.

    The clients are held and confirmed. ``model`` is the lab's. Raises WrongError when one gets no answer.
    """
    program.settle()
    situation = program.situation()
    if missing := [peer for peer in clients if peer.number not in situation.ends]:
        raise missing[0].wrong(f"{missing[0].name} is held, and its connection has gone")
    works, traced = _answered_by(program, clients, random, situation)
    outer = {inner: task for task, inner in situation.inner.items()}
    waits = {peer.number: frozenset(task.id for task in situation.waiting_for(peer.number)) for peer in clients}
    return Serving(
        before={peer.number: peer.known for peer in clients},
        works=works,
        traced=traced,
        waits={number: tasks for number, tasks in waits.items() if tasks},
        hello=_claims(clients, outer),
        situation=situation,
        model=model,
    )


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


def _answered_by(
    program: Program, clients: Sequence[Peer], random: random.Random, situation: Situation
) -> tuple[Tasks, bool]:
    """Let every client ask something, and find the task that sent each answer. Return also whether that was traced."""
    inodes = {end.inode: number for number, end in situation.ends.items() if end.inode}
    pids = [pid for pid, process in situation.look.processes.items() if process.state != "Z"]
    with senders(pids, set(inodes), TRACE_SECONDS) as trace:
        if trace.ready:
            ask_in_any_order(clients, random)
    if trace.sent_on:
        return {inodes[inode]: frozenset(tasks) for inode, tasks in trace.sent_on.items()}, True
    moved = {}
    for peer in random.sample(clients, len(clients)):
        program.settle()
        before = _counters(situation)
        ask_in_any_order([peer], random)
        program.settle()
        after = _counters(situation)
        moved[peer.number] = frozenset(task for task, count in after.items() if count != before.get(task))
    return without_bystanders(moved), False


def greeters(program: Program, arrive: Callable[[], Peer]) -> tuple[Peer, frozenset[TaskId]]:
    """Let 1 more client come. Return it with the tasks that greeted it: none where that cannot be traced.

    The client stays, and is confirmed. Raises WrongError when it is not greeted.
    """
    inodes: set[int] = set()
    pids = sorted({pid for pid, _ in program.task_ids()})
    with senders(pids, inodes, TRACE_SECONDS) as trace:
        peer = arrive()
        peer.hello()
        end = program.situation().ends.get(peer.number)
        inodes.update({end.inode} if end else ())  # read when the trace has ended
    peer.confirm()
    return peer, frozenset().union(*trace.sent_on.values())


def _counters(situation: Situation) -> dict[TaskId, int]:
    found = {}
    for pid, tid in situation.look.tasks:
        with suppress(OSError):
            found[pid, tid] = switches(pid, tid)
    return found

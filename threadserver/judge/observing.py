"""Looking on while clients are served: what the witnesses of `serving` have seen."""

from collections.abc import Iterable
from contextlib import suppress
from typing import TYPE_CHECKING

from threadserver.judge.serving import Serving, Tasks, without_bystanders
from threadserver.judge.situation import Situation
from threadserver.kernel.processes import switches
from threadserver.kernel.task import TaskId
from threadserver.kernel.tracing import senders

if TYPE_CHECKING:
    from threadserver.judge.peer import Peer
    from threadserver.judge.trial import Trial

TRACE_SECONDS = 10.0
"""Within which strace has to attach."""


def observe(trial: "Trial", clients: list["Peer"]) -> Serving:
    """Look at who waits for each of these clients, then ask each in an order drawn anew, and see who answers.

    The clients are held and confirmed. Raises WrongError when one gets no answer.
    """
    trial.settle()
    situation = trial.situation()
    if missing := [peer for peer in clients if peer.number not in situation.ends]:
        raise missing[0].wrong(f"{missing[0].name} is held, and its connection has gone")
    works, traced = _answered_by(trial, clients, situation)
    outer = {inner: task for task, inner in situation.inner.items()}
    waits = {peer.number: frozenset(task.id for task in situation.waiting_for(peer.number)) for peer in clients}
    known = clients[0].known
    return Serving(
        clients=clients,
        works=works,
        traced=traced,
        waits={number: tasks for number, tasks in waits.items() if tasks},
        hello=_claims(clients, outer),
        situation=situation,
        before=known,
    )


def observe_in_turn(trial: "Trial", count: int) -> Serving:
    """Let so many clients come, one when the other has gone, and see who serves each."""
    seen = []
    for _ in range(count):
        (peer,) = trial.hold(1)
        seen.append(observe(trial, [peer]))
        peer.close()
    first, last = seen[0], seen[-1]
    return Serving(
        clients=[peer for one in seen for peer in one.clients],
        works=_merged(one.works for one in seen),
        traced=last.traced,
        waits=_merged(one.waits for one in seen),
        hello=_merged(one.hello for one in seen),
        situation=last.situation,
        before=first.before,
    )


def _merged(parts: Iterable[Tasks]) -> Tasks:
    return {number: tasks for part in parts for number, tasks in part.items()}


def _claims(clients: list["Peer"], outer: dict[TaskId, TaskId]) -> Tasks:
    """Look up whom HELLO names. A process alone (``worker=12``) says nothing where it has several threads."""
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


def _answered_by(trial: "Trial", clients: list["Peer"], situation: Situation) -> tuple[Tasks, bool]:
    """Ask every client something, and find the task that sent each answer; True when that was traced."""
    inodes = {end.inode: number for number, end in situation.ends.items() if end.inode}
    asked = trial.random.sample(clients, len(clients))
    pids = [pid for pid, process in situation.look.processes.items() if process.state != "Z"]
    with senders(pids, set(inodes), TRACE_SECONDS) as trace:
        if trace.ready:
            trial.ask_in_any_order(asked)
    if trace.sent_on:
        return {inodes[inode]: frozenset(tasks) for inode, tasks in trace.sent_on.items()}, True
    moved = {}
    for peer in asked:
        trial.settle()
        before = _counters(situation)
        trial.ask_in_any_order([peer])
        trial.settle()
        after = _counters(situation)
        moved[peer.number] = frozenset(task for task, count in after.items() if count != before.get(task))
    return without_bystanders(moved), False


def greeters(trial: "Trial") -> tuple["Peer", frozenset[TaskId]]:
    """Let one more client come, and give it with the tasks that greeted it; none where that cannot be traced.

    It stays, and is confirmed. Raises WrongError when it is not greeted.
    """
    inodes: set[int] = set()
    pids = sorted({pid for pid, _ in trial.task_ids()})
    with senders(pids, inodes, TRACE_SECONDS) as trace:
        peer = trial.arrive()
        peer.hello()
        end = trial.situation().ends.get(peer.number)
        inodes.update({end.inode} if end else ())  # read when the trace has ended
    peer.confirm()
    return peer, frozenset().union(*trace.sent_on.values())


def _counters(situation: Situation) -> dict[TaskId, int]:
    found = {}
    for pid, tid in situation.look.tasks:
        with suppress(OSError):
            found[pid, tid] = switches(pid, tid)
    return found

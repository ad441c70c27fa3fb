"""Which tasks work when something is sent: those that sent the answer (traced), else those whose counters moved."""

from collections.abc import Set as AbstractSet

from threadserver.core.plurals import count
from threadserver.inspection.pattern import all_loops
from threadserver.inspection.record import Record
from threadserver.kernel.task import TaskId
from threadserver.kernel.testimony import EVENT_DRIVEN, Model, Testimony

_APART = {Model.ITERATIVE, Model.THREADS, Model.POOL, Model.FORKS, Model.PREFORK}


def testify(record: Record) -> Testimony | None:
    """Tell loops that answer themselves from loops with workers, and from decoys."""
    if not record.asked:
        return None
    if record.dedicated:
        allows = {Model.THREADS, Model.FORKS, Model.LOOP_AND_WORKERS}
        moved = count(record.dedicated, "connection")
        return _says(allows, f"after their first bytes, {moved} got a task of their own")
    if record.senders:
        return _traced(record, record.senders)
    return _moved(record) if record.hold.looped else _kept(record)


def _moved(record: Record) -> Testimony:
    """Judge by the tasks whose counters moved, if no task was seen to send."""
    if record.short_lived and not record.companions:
        return _says(set(), f"a task was made on this machine each time something was sent{_untraced(record)}")
    if not record.companions:
        done = "answered" if record.answered else "read what was sent"
        return _says({Model.LOOP, Model.LOOPS}, f"the loop itself {done}: no other task ran")
    others = set().union(*record.companions)
    ran = f"{count(len(others), 'task')} beside the loop ran"
    if record.answered and works_beside(record.companions):
        asked = count(len(record.asked), "connection")
        return _says({Model.LOOP_AND_WORKERS}, f"{ran} when something was sent on {asked}{_untraced(record)}")
    return _says(set(), f"{ran}: workers or helpers{_untraced(record)}")


def works_beside(companions: list[set[TaskId]]) -> bool:
    """Tell whether the tasks that ran beside a loop each time cannot be one helper that a timer wakes."""
    return bool(companions) and len(set.intersection(*companions)) != 1


def _traced(record: Record, senders: set[TaskId]) -> Testimony:
    names = ", ".join(f"{pid}/{tid}" for pid, tid in sorted(senders)[:4])
    loops = set(all_loops(record.hold))
    if senders <= loops and record.woken:
        woken = f"the loop {names} sent the answers, but before that it slept until another task woke it"
        return _says({Model.LOOP_AND_WORKERS}, woken)
    if senders <= loops:
        return _says({Model.LOOP, Model.LOOPS}, f"the loop itself, {names}, handled what was sent")
    if not record.hold.looped and not record.hold.doubtful:
        if not record.strangers:
            return _says(_APART, f"the tasks that wait sent the answers: {names}")
        return _says(EVENT_DRIVEN, f"{names} sent the answers, not the tasks that wait for the connections")
    single = {task.id for number in record.hold.doubtful for task in record.hold.sight.watchers(number)} - loops
    if senders <= single:
        return _says(_APART, f"tasks that wait for one client each sent the answers: {names}")
    alone = "not only" if senders & loops else "not"
    return _says({Model.LOOP_AND_WORKERS}, f"{names} sent the answers, {alone} the task that waits for the clients")


def _kept(record: Record) -> Testimony | None:
    """Judge by what became of connections with a task of their own after they were answered."""
    kept = record.kept()
    if kept is None:
        return None
    if kept:
        return _says({Model.LOOP_AND_WORKERS}, "after its answer, a connection goes back to a loop")
    return _says(_APART, "after its answer, a connection stays with its task, or is closed")


def _untraced(record: Record) -> str:
    return f" (not traced: {record.trace})" if record.trace else ""


def _says(allows: AbstractSet[Model], evidence: str) -> Testimony:
    return Testimony("activity", allows, evidence)

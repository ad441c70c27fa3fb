"""Who works when something is said: who sent the answer (traced), else whose counters moved."""

from collections.abc import Set as AbstractSet

from threadserver.inspection.pattern import all_loops
from threadserver.inspection.record import Record
from threadserver.kernel.task import TaskId
from threadserver.kernel.testimony import EVENT_DRIVEN, Model, Testimony

_APART = {Model.ITERATIVE, Model.THREADS, Model.POOL, Model.FORKS, Model.PREFORK}


def testify(record: Record) -> Testimony | None:
    """Tell loops that answer themselves from loops that have workers for it, and from decoys."""
    if not record.asked:
        return None
    if record.dedicated:
        allows = {Model.THREADS, Model.FORKS, Model.LOOP_AND_WORKERS}
        return _says(allows, f"with the first bytes {record.dedicated} connections got a task of their own")
    if record.senders:
        return _traced(record, record.senders)
    return _moved(record) if record.hold.looped else _kept(record)


def _moved(record: Record) -> Testimony:
    """Judge by whose counters moved, where nobody was seen to send."""
    if record.short_lived and not record.companions:
        return _says(set(), f"tasks were made on this machine each time something was said{_untraced(record)}")
    if not record.companions:
        done = "answered" if record.answered else "took what was said"
        return _says({Model.LOOP, Model.LOOPS}, f"the loop itself {done}: no other task was needed")
    others = set().union(*record.companions)
    if record.answered and works_beside(record.companions):
        asked = len(record.asked)
        evidence = (
            f"{len(others)} tasks beside the loop moved when {asked} connections were spoken on{_untraced(record)}"
        )
        return _says({Model.LOOP_AND_WORKERS}, evidence)
    return _says(set(), f"{len(others)} tasks beside the loop moved: workers or helpers{_untraced(record)}")


def works_beside(companions: list[set[TaskId]]) -> bool:
    """Tell whether what moves beside a loop each time cannot be one helper, with a timer now and then."""
    return bool(companions) and len(set.intersection(*companions)) != 1


def _traced(record: Record, senders: set[TaskId]) -> Testimony:
    names = ", ".join(f"{pid}/{tid}" for pid, tid in sorted(senders)[:4])
    loops = set(all_loops(record.hold))
    if senders <= loops and record.woken:
        woken = f"the loop {names} sent the answers, but slept before until another task woke it"
        return _says({Model.LOOP_AND_WORKERS}, woken)
    if senders <= loops:
        return _says({Model.LOOP, Model.LOOPS}, f"what was said was handled by the loop itself, {names}")
    if not record.hold.looped and not record.hold.doubtful:
        if not record.strangers:
            return _says(_APART, f"the answers were sent by those who wait: {names}")
        return _says(EVENT_DRIVEN, f"the answers were sent by {names}, not by those who wait for the connections")
    single = {task.id for number in record.hold.doubtful for task in record.hold.sight.watchers(number)} - loops
    if senders <= single:
        return _says(_APART, f"each answer was sent by a task that waits alone: {names}")
    alone = "not only" if senders & loops else "not"
    evidence = f"the answers were sent by {names}, {alone} by the task that waits for the clients"
    return _says({Model.LOOP_AND_WORKERS}, evidence)


def _kept(record: Record) -> Testimony | None:
    """Tell what became of connections, each with a task of its own, when they had been answered."""
    kept = record.kept()
    if kept is None:
        return None
    if kept:
        return _says({Model.LOOP_AND_WORKERS}, "after its answer a connection goes back to a loop")
    return _says(_APART, "after its answer a connection stays with the task that has it, or is closed")


def _untraced(record: Record) -> str:
    return f" (not traced: {record.trace})" if record.trace else ""


def _says(allows: AbstractSet[Model], evidence: str) -> Testimony:
    return Testimony("who works", allows, evidence)

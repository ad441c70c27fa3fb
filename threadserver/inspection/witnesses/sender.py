"""Who works when something is said: who sent the answer (traced), else whose counters moved."""

from threadserver.inspection.pattern import all_loops
from threadserver.inspection.record import Record
from threadserver.inspection.verdict import (
    EVENT_DRIVEN,
    FORKS,
    LOOP,
    LOOP_AND_WORKERS,
    LOOPS,
    POOL,
    PREFORK,
    THREADS,
    Testimony,
)


def testify(record: Record) -> Testimony | None:
    """Tell loops that answer themselves from loops that have workers for it, and from decoys."""
    if not record.asked:
        return None
    loops = set(all_loops(record.hold))
    if record.dedicated:
        allows = {THREADS, FORKS, LOOP_AND_WORKERS}
        return _testimony(allows, f"with the first bytes {record.dedicated} connections got a task of their own")
    if record.senders:
        return _traced(record, loops)
    if not record.hold.looped:
        return _waits_elsewhere(record)
    if not record.companions:
        done = "answered" if record.answered else "took what was said"
        return _testimony({LOOP, LOOPS}, f"the loop itself {done}: no other task was needed")
    others = set().union(*record.companions)
    if works_beside(record.companions):
        asked = len(record.asked)
        why = f"{len(others)} tasks beside the loop moved when {asked} connections were spoken on{_trace(record)}"
        return _testimony({LOOP_AND_WORKERS}, why)
    return _testimony(set(), f"one task beside the loop moved each time: a worker or a helper{_trace(record)}")


def works_beside(companions: list[set[tuple[int, int]]]) -> bool:
    """Tell whether what moves beside a loop each time cannot be one helper, with a timer now and then."""
    return bool(companions) and len(set.intersection(*companions)) != 1


def _traced(record: Record, loops: set[tuple[int, int]]) -> Testimony:
    senders = record.senders or set()
    names = ", ".join(f"{pid}/{tid}" for pid, tid in sorted(senders)[:4])
    if senders <= loops:
        return _testimony({LOOP, LOOPS}, f"what was said was handled by the loop itself, {names}")
    if not record.hold.looped and not record.hold.doubtful:
        if senders & record.hold.holders:
            return _testimony({THREADS, POOL, FORKS, PREFORK}, f"the answers were sent by those who wait: {names}")
        return _testimony(EVENT_DRIVEN, f"the answers were sent by {names}, not by those who wait for the connections")
    if record.hold.doubtful and senders <= set(record.hold.sight.look.tasks):
        alone = {task.id for number in record.hold.doubtful for task in record.hold.sight.watchers(number)} - loops
        if senders <= alone:
            return _testimony(
                {THREADS, POOL, FORKS, PREFORK}, f"each answer was sent by a task that waits alone: {names}"
            )
    return _testimony(
        {LOOP_AND_WORKERS}, f"the answers were sent by {names}, not by the task that waits for the clients"
    )


def _waits_elsewhere(record: Record) -> Testimony | None:
    """Find connections that were held by a worker each, and by a loop once they had been answered."""
    if record.spoken is None:
        return None
    back = record.spoken.in_loops & set(record.asked)
    if record.answered and back and len(back) * 2 >= len(set(record.asked) & set(record.spoken.sight.accepted)):
        return _testimony({LOOP_AND_WORKERS}, f"after its answer a connection goes back to a loop: {len(back)} did")
    return None


def _trace(record: Record) -> str:
    return f" (not traced: {record.trace})" if record.trace else ""


def _testimony(allows: set[str], evidence: str) -> Testimony:
    return Testimony("who works", frozenset(allows), evidence)

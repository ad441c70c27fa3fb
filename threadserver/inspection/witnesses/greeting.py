"""What the server itself says: the worker ids in the kit's HELLO. It could be made up, so it only ever confirms."""

from threadserver.inspection.record import Record
from threadserver.inspection.verdict import (
    EVENT_DRIVEN,
    FORKS,
    ITERATIVE,
    LOOP_AND_WORKERS,
    POOL,
    PREFORK,
    THREADS,
    Testimony,
)  # fmt: skip


def testify(record: Record) -> Testimony | None:
    """Tell the models by who says that it serves."""
    workers = list(record.workers.values())
    if not workers:
        return None
    processes, tasks = len({pid for pid, _ in workers}), len(set(workers))
    said = f"{len(workers)} times HELLO, from {tasks} workers in {processes} processes"
    if len(workers) == 1:
        return Testimony("HELLO", frozenset({ITERATIVE, POOL, PREFORK}) if record.bounded else frozenset(), said)
    if tasks == 1:
        return Testimony("HELLO", frozenset(EVENT_DRIVEN), said)
    if processes == tasks == len(workers):
        return Testimony("HELLO", frozenset({FORKS, PREFORK}), said)
    if tasks == len(workers):
        return Testimony("HELLO", frozenset({THREADS, POOL, LOOP_AND_WORKERS}), said)
    return Testimony("HELLO", frozenset(EVENT_DRIVEN), said)

"""What the server itself says: the worker ids in the kit's HELLO. It could be made up, so it only ever confirms."""

from threadserver.inspection.record import Record
from threadserver.kernel.testimony import EVENT_DRIVEN, Model, Testimony


def testify(record: Record) -> Testimony | None:
    """Tell the models by who says that it serves."""
    workers = list(record.workers.values())
    if not workers:
        return None
    processes, tasks = len({pid for pid, _ in workers}), len(set(workers))
    said = f"{len(workers)} times HELLO, from {tasks} workers in {processes} processes"
    if len(workers) == 1:
        return Testimony("HELLO", {Model.ITERATIVE, Model.POOL, Model.PREFORK} if record.bounded else set(), said)
    if tasks == 1:
        return Testimony("HELLO", EVENT_DRIVEN, said)
    if processes == tasks == len(workers):
        return Testimony("HELLO", {Model.FORKS, Model.PREFORK}, said)
    if tasks == len(workers):
        return Testimony("HELLO", {Model.THREADS, Model.POOL, Model.LOOP_AND_WORKERS}, said)
    return Testimony("HELLO", EVENT_DRIVEN, said)

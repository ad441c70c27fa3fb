"""What the server itself says: the worker ids in the kit's HELLO. A server may make them up, so they only confirm."""

from threadserver.core.plurals import count
from threadserver.inspection.record import Record
from threadserver.kernel.testimony import EVENT_DRIVEN, Model, Testimony


def testify(record: Record) -> Testimony | None:
    """Tell the models apart by the workers that HELLO names."""
    workers = list(record.workers.values())
    if not workers:
        return None
    processes, tasks = len({pid for pid, _ in workers}), len(set(workers))
    shown = [count(len(workers), "HELLO"), count(tasks, "worker"), count(processes, "process", "processes")]
    said = "{} from {} in {}".format(*shown)
    if len(workers) == 1:
        return Testimony("HELLO", {Model.ITERATIVE, Model.POOL, Model.PREFORK} if record.bounded else set(), said)
    if tasks == 1:
        return Testimony("HELLO", EVENT_DRIVEN, said)
    if processes == tasks == len(workers):
        return Testimony("HELLO", {Model.FORKS, Model.PREFORK}, said)
    if tasks == len(workers):
        return Testimony("HELLO", {Model.THREADS, Model.POOL, Model.LOOP_AND_WORKERS}, said)
    return Testimony("HELLO", EVENT_DRIVEN, said)

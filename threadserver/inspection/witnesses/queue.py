"""Who has to wait: how many connections are served at once, and whether more than that stay in a queue."""

from threadserver.inspection.record import Record
from threadserver.kernel.testimony import EVENT_DRIVEN, Model, Testimony


def testify(record: Record) -> Testimony:
    """Tell a bounded number of workers from an unbounded one."""
    found = record.crowd or record.hold
    held, queued = len(found.sight.phases), len(found.sight.queued)
    served = len(found.single) + len(found.in_loops)
    others = f", and {len(found.foreign)} of other clients" if found.foreign else ""
    if not record.bounded and not queued:
        answered = f", and {len(record.answered)} were answered while the others were silent" if record.answered else ""
        allows = EVENT_DRIVEN | {Model.THREADS, Model.FORKS, Model.POOL, Model.PREFORK}
        return Testimony("queue", allows, f"all of {served} connections were taken at once{answered}")
    unread = len(found.unwatched)
    where = f"{queued} wait to be accepted" if queued else f"{unread} were accepted, but nobody reads them"
    evidence = f"{len(found.holders)} of {held} connections are served{others}, {where}"
    if (record.stayed is not None and not record.stayed) or record.fleeting:
        return Testimony(
            "queue",
            {Model.POOL, Model.PREFORK, Model.LOOP_AND_WORKERS, Model.THREADS, Model.FORKS, Model.ITERATIVE},
            evidence,
        )
    if len(found.holders | found.foreign) == 1:
        return Testimony("queue", {Model.ITERATIVE, Model.POOL, Model.PREFORK}, evidence)
    return Testimony("queue", {Model.POOL, Model.PREFORK, Model.LOOP_AND_WORKERS}, evidence)

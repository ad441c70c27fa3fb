"""Whether the task that serves a connection was made for it, or existed already."""

from threadserver.inspection.record import Record
from threadserver.kernel.testimony import Model, Testimony


def testify(record: Record) -> Testimony | None:
    """Tell workers that existed from workers that were made; a pool may also make its workers on demand."""
    if record.hold.looped or not record.new_holders:
        return None
    made = sum(record.new_holders.values())
    total = len(record.new_holders)
    if made == 0:
        return Testimony(
            "worker age",
            {Model.POOL, Model.PREFORK, Model.ITERATIVE, Model.LOOP_AND_WORKERS, Model.THREADS},
            "the task that serves is older than its connection"
            if total == 1
            else f"all {total} tasks that serve are older than their connections",
        )
    if made == total:
        return Testimony(
            "worker age",
            {Model.THREADS, Model.FORKS, Model.POOL, Model.PREFORK, Model.LOOP_AND_WORKERS, Model.ITERATIVE},
            "the task that serves is newer than its connection"
            if total == 1
            else f"all {total} tasks that serve are newer than their connections",
        )
    return Testimony(
        "worker age",
        {Model.THREADS, Model.POOL, Model.PREFORK, Model.LOOP_AND_WORKERS},
        f"{made} of {total} tasks that serve are newer than their connections, the others are older",
    )

"""Who was there before: the task that serves a connection was made for it, or existed already."""

from threadserver.inspection.record import Record
from threadserver.kernel.testimony import Model, Testimony


def testify(record: Record) -> Testimony | None:
    """Tell workers that waited from workers that were made; pools may also be filled on demand."""
    if record.hold.looped or not record.new_holders:
        return None
    made = sum(record.new_holders.values())
    total = len(record.new_holders)
    if made == 0:
        return Testimony(
            "made or there before",
            {Model.POOL, Model.PREFORK, Model.ITERATIVE, Model.LOOP_AND_WORKERS, Model.THREADS},
            "who serves was there before the connection" if total == 1 else f"all {total} who serve were there before",
        )
    if made == total:
        return Testimony(
            "made or there before",
            {Model.THREADS, Model.FORKS, Model.POOL, Model.PREFORK, Model.LOOP_AND_WORKERS, Model.ITERATIVE},
            f"all {total} who serve came after their connection"
            if total > 1
            else "who serves came after the connection",
        )
    return Testimony(
        "made or there before",
        {Model.THREADS, Model.POOL, Model.PREFORK, Model.LOOP_AND_WORKERS},
        f"{made} of {total} who serve came after their connection, the others were there",
    )

"""What becomes of the tasks that served when their clients have gone."""

from threadserver.core.plurals import count
from threadserver.inspection.record import Record
from threadserver.kernel.testimony import Model, Testimony


def testify(record: Record) -> Testimony | None:
    """Tell workers that end with their client from workers that wait for the next one."""
    if record.stayed is None or not record.hold.holders:
        return None
    total, stayed = len(record.hold.holders), len(record.stayed)
    gone = total - stayed
    zombies = f"; {count(len(record.zombies), 'zombie is', 'zombies are')} left" if record.zombies else ""
    served = count(total, "task")
    if gone == total:
        return Testimony(
            "after closing",
            {Model.THREADS, Model.FORKS, Model.ITERATIVE, Model.POOL, Model.PREFORK},
            f"all {served} that served ended with their clients{zombies}"
            if total > 1
            else f"the task that served ended with its client{zombies}",
        )
    allows = {Model.POOL, Model.PREFORK, Model.ITERATIVE, Model.LOOP_AND_WORKERS}
    if record.crowd or record.refused:
        allows.add(Model.THREADS)
    remain = f"{stayed} of {served} that served remain" if total > 1 else "the task that served remains"
    return Testimony("after closing", allows, f"{remain} after closing{zombies}")

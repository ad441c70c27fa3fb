"""What becomes of those who served when their clients have gone."""

from threadserver.inspection.record import Record
from threadserver.kernel.testimony import Model, Testimony


def testify(record: Record) -> Testimony | None:
    """Tell workers that end with their client from workers that wait for the next."""
    if record.stayed is None or not record.hold.holders:
        return None
    total, stayed = len(record.hold.holders), len(record.stayed)
    gone = total - stayed
    zombies = f", {len(record.zombies)} zombies are left" if record.zombies else ""
    if gone == total:
        return Testimony(
            "after closing",
            {Model.THREADS, Model.FORKS, Model.ITERATIVE, Model.POOL, Model.PREFORK},
            f"all {total} who served ended with their connections{zombies}",
        )
    allows = {Model.POOL, Model.PREFORK, Model.ITERATIVE, Model.LOOP_AND_WORKERS}
    if record.crowd or record.refused:
        allows.add(Model.THREADS)
    return Testimony(
        "after closing", allows, f"{stayed} of {total} who served are still there when all is closed{zombies}"
    )

"""How many tasks and processes exist as connections are added: the simplest witness, and the easiest to deceive."""

from threadserver.inspection.record import Record
from threadserver.kernel.testimony import EVENT_DRIVEN, Model, Testimony


def testify(record: Record) -> Testimony:
    """Tell a number of tasks that grows with the connections from one that does not."""
    grown = record.grown
    shown = ", ".join(f"{held}: {tasks}/{processes}" for held, (tasks, processes) in sorted(grown.items()))
    held = sorted(grown)
    base = len(record.baseline.look.tasks), len(record.baseline.look.processes) - len(record.baseline.look.zombies)
    evidence = f"tasks/processes with 0 connections: {base[0]}/{base[1]}; {shown}"
    if not held:
        return Testimony("counts", set(), evidence)
    more_tasks, more_processes = grown[held[-1]][0] - base[0], grown[held[-1]][1] - base[1]
    if more_processes >= min(held[-1], 2) > 0:
        allows = {Model.FORKS, Model.PREFORK}
    elif more_tasks >= min(held[-1], 2) > 0:
        allows = {Model.THREADS, Model.POOL, Model.LOOP_AND_WORKERS}
    else:
        allows = (
            {Model.ITERATIVE, Model.POOL, Model.PREFORK, *EVENT_DRIVEN, Model.THREADS, Model.FORKS}
            if record.dedicated
            else {Model.ITERATIVE, Model.POOL, Model.PREFORK, *EVENT_DRIVEN, Model.THREADS}
        )
    return Testimony("counts", allows, evidence)

"""How many tasks and processes exist as connections are added: the simplest witness, and the easiest to deceive."""

from threadserver.inspection.record import Record
from threadserver.kernel.testimony import EVENT_DRIVEN, Model, Testimony


def testify(record: Record) -> Testimony:
    """Tell a number of tasks that grows with the connections from one that does not."""
    grown = record.grown
    held = sorted(grown)
    base = len(record.baseline.look.tasks), len(record.baseline.look.processes) - len(record.baseline.look.zombies)
    seen = [base, *(grown[number] for number in held)]
    tasks, processes = (_course([pair[at] for pair in seen]) for at in (0, 1))
    evidence = f"with {_course([0, *held])} connections: tasks {tasks}; processes {processes}"
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


def _course(numbers: list[int]) -> str:
    """Return a series of numbers, or ``always 5`` if they are all the same."""
    if len(numbers) > 1 and len(set(numbers)) == 1:
        return f"always {numbers[0]}"
    return ", ".join(map(str, numbers))

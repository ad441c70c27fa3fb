"""The call that each task is blocked in, and for how many clients: the table that a teacher would draw."""

from threadserver.core.plurals import count
from threadserver.inspection.pattern import Pattern, all_loops, mechanism
from threadserver.inspection.record import Record
from threadserver.kernel.processes import remedy
from threadserver.kernel.task import Task
from threadserver.kernel.testimony import EVENT_DRIVEN, Model, Testimony


def testify(record: Record) -> Testimony | None:
    """Tell one task for many connections from one task for each."""
    found = record.hold
    if found.sight.look.hidden:
        return Testimony(
            "blocked calls",
            set(),
            f"the blocked calls are hidden: you lack permission to trace the process ({remedy()})",
        )
    if found.looped and not found.doubtful:
        return _loops(record, found)
    if found.doubtful:
        return Testimony(
            "blocked calls",
            EVENT_DRIVEN | {Model.THREADS, Model.POOL, Model.FORKS, Model.PREFORK},
            f"both a loop and a task of its own wait for each of {count(len(found.doubtful), 'connection')}",
        )
    if not found.single:
        return None
    if len(found.single) == 1 and not found.foreign:
        (holder,) = found.holders
        return Testimony(
            "blocked calls",
            {Model.ITERATIVE, Model.POOL, Model.PREFORK},
            f"one task serves one connection: {_named(found, holder)}",
        )
    return _one_each(found)


def _loops(record: Record, found: Pattern) -> Testimony:
    loops = all_loops(found)
    how = mechanism(loops.values()) or "one call"
    first = next(iter(found.loops.values()))
    clients = count(len(_clients(found, first)), "client")
    evidence = f"task {first.pid}/{first.tid} is blocked in {first.call.name} and waits for {clients}"
    if len(loops) > 1:
        busiest = max(len(_clients(found, one)) for one in loops.values())
        evidence = f"{len(loops)} tasks wait using {how}, the busiest for {count(busiest, 'client')}"
    allows = {Model.LOOP if len(loops) == 1 else Model.LOOPS}
    if len(found.sight.look.tasks) > len(loops):
        allows.add(Model.LOOP_AND_WORKERS)
    if record.dedicated:
        allows = {Model.THREADS, Model.FORKS, Model.LOOP_AND_WORKERS}
    return Testimony("blocked calls", allows, evidence)


def _clients(found: Pattern, task: Task) -> frozenset[int]:
    return task.sockets & found.sight.clients


def _one_each(found: Pattern) -> Testimony:
    shown = ", ".join(_named(found, holder) for holder in sorted(found.holders, key=str)[:3])
    more = f" … ({len(found.holders)} in all)" if len(found.holders) > 3 else ""
    if len(found.processes) == len(found.single):
        return Testimony(
            "blocked calls", {Model.FORKS, Model.PREFORK}, f"each connection has a process of its own: {shown}{more}"
        )
    return Testimony(
        "blocked calls",
        {Model.THREADS, Model.POOL, Model.LOOP_AND_WORKERS},
        f"each connection has a thread of its own: {shown}{more}",
    )


def _named(found: Pattern, holder: tuple[int, int | None]) -> str:
    pid, tid = holder
    if tid is None:
        return f"process {pid}"
    return f"task {pid}/{tid} in {found.sight.look.tasks[pid, tid].call}"

"""What each task is blocked in, and for how many clients: the table that one would draw on a blackboard."""

from threadserver.inspection.pattern import Pattern, all_loops, mechanism
from threadserver.inspection.record import Record
from threadserver.kernel.task import Task
from threadserver.kernel.testimony import EVENT_DRIVEN, Model, Testimony


def testify(record: Record) -> Testimony | None:
    """Tell one task for many from one task for each."""
    found = record.hold
    if found.sight.look.hidden:
        return Testimony(
            "blocked calls",
            set(),
            "the blocked calls may not be seen: it needs the right to trace the process (try as root)",
        )
    if found.looped and not found.doubtful:
        return _loops(record, found)
    if found.doubtful:
        return Testimony(
            "blocked calls",
            EVENT_DRIVEN | {Model.THREADS, Model.POOL, Model.FORKS, Model.PREFORK},
            f"{len(found.doubtful)} connections are waited for twice, by a loop and by a task of their own",
        )
    if not found.single:
        return None
    if len(found.single) == 1 and not found.foreign:
        (holder,) = found.holders
        return Testimony(
            "blocked calls",
            {Model.ITERATIVE, Model.POOL, Model.PREFORK},
            f"one task serves one connection: {_who(found, holder)}",
        )
    return _one_each(found)


def _loops(record: Record, found: Pattern) -> Testimony:
    loops = all_loops(found)
    how = mechanism(loops.values()) or "its call"
    first = next(iter(found.loops.values()))
    evidence = (
        f"{first.pid}/{first.tid} is blocked in {first.call.name} and waits for {len(_clients(found, first))} clients"
    )
    if len(loops) > 1:
        busiest = max(len(_clients(found, one)) for one in loops.values())
        evidence = f"{len(loops)} tasks wait with {how}, the busiest for {busiest} clients"
    allows = {Model.LOOP if len(loops) == 1 else Model.LOOPS}
    if len(found.sight.look.tasks) > len(loops):
        allows.add(Model.LOOP_AND_WORKERS)
    if record.dedicated:
        allows = {Model.THREADS, Model.FORKS, Model.LOOP_AND_WORKERS}
    return Testimony("blocked calls", allows, evidence)


def _clients(found: Pattern, task: Task) -> frozenset[int]:
    return task.sockets & found.sight.clients


def _one_each(found: Pattern) -> Testimony:
    shown = ", ".join(_who(found, holder) for holder in sorted(found.holders, key=str)[:3])
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


def _who(found: Pattern, holder: tuple[int, int | None]) -> str:
    pid, tid = holder
    if tid is None:
        return f"process {pid}"
    return f"{pid}/{tid} in {found.sight.look.tasks[pid, tid].call}"

"""The pattern in a sight: which tasks hold the clients' connections, and how.

A task *serves one* when it is blocked in a call that waits for a single client; it is a *loop* when that call waits for
several. A thread with a time-out also sits in ``poll`` or ``epoll_wait``, but with one client only: what counts is how
many clients a call waits for, not its name. A call that waits for one client and for the listening socket belongs to a
loop that has its first client.
"""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass

from threadserver.inspection.experiment import Sight
from threadserver.kernel.processes import owners
from threadserver.kernel.syscalls import ACCEPT, FAMILY, LOCK, RING
from threadserver.kernel.task import Task, TaskId

Holder = tuple[int, int | None]
"""A task as PID and TID; or a process, as PID and None, where the task is unknown."""


@dataclass(frozen=True, slots=True)
class Pattern:
    """Which tasks hold which of our connections."""

    sight: Sight
    loops: dict[TaskId, Task]
    """Tasks that wait for several clients at once, or for one client and for the next connection."""
    in_loops: frozenset[int]
    """Our connections that a loop waits for."""
    single: dict[int, Holder]
    """Our connections for which a single task (or process) waits, with that task."""
    doubtful: frozenset[int]
    """Our connections that both a loop and a task of their own wait for."""
    unwatched: frozenset[int]
    """Our accepted connections that no task waits for."""
    foreign: frozenset[Holder]
    """Tasks that hold one client of another program."""

    @property
    def holders(self) -> frozenset[Holder]:
        """The tasks that serve one client each."""
        return frozenset(self.single.values())

    @property
    def processes(self) -> frozenset[int]:
        """The processes of those tasks."""
        return frozenset(pid for pid, _ in self.holders)

    @property
    def peeked(self) -> bool:
        """True when the tasks that wait for connections only peek at them, so that another task may take the bytes.

        If no process has more than one of the connections, no other task can take them.
        """
        tasks = [self.sight.look.tasks[pid, tid] for pid, tid in self.holders if tid is not None]
        if not any(task.call.peeks for task in tasks):
            return False
        having = Counter(pid for pids in self.sight.owners.values() for pid in pids)
        return max(having.values(), default=0) > 1 or len(self.single) == 1

    @property
    def attended(self) -> bool:
        """True when a task waits for the next connection."""
        look = self.sight.look
        return any(task.sockets & look.listeners for task in look.tasks.values())

    @property
    def looped(self) -> bool:
        """True when loops hold most of the connections."""
        return len(self.in_loops) > len(self.single)


def pattern(sight: Sight) -> Pattern:
    """Return the pattern in a sight."""
    clients = {task.id: task.sockets & sight.clients for task in sight.look.tasks.values()}
    loops = {key: sight.look.tasks[key] for key, found in clients.items() if found and _is_loop(sight, key, found)}
    in_loops, doubtful, unwatched = set(), set(), set()
    single: dict[int, Holder] = {}
    for number in sight.accepted:
        watchers = sight.watchers(number)
        alone = [task for task in watchers if task.id not in loops]
        if len(alone) < len(watchers):
            in_loops.add(number)
            if alone:
                doubtful.add(number)
        elif alone:
            single[number] = alone[0].id
        else:
            unwatched.add(number)
    for number, pid in _by_owner(sight, unwatched).items():
        single[number] = (pid, None)
    alone_ids = {key for key, found in clients.items() if len(found) == 1}
    ours = set(sight.inodes.values())
    foreign = {key for key in alone_ids if not sight.look.tasks[key].sockets & ours}
    return Pattern(
        sight,
        loops,
        frozenset(in_loops),
        single,
        frozenset(doubtful),
        frozenset(unwatched - set(single)),
        frozenset(foreign),
    )


def _is_loop(sight: Sight, key: TaskId, clients: frozenset[int]) -> bool:
    """Tell whether a task waits for several clients, or could accept the next while it serves one."""
    task = sight.look.tasks[key]
    would_accept = task.watches and task.sockets & sight.look.listeners and not sight.queued
    return len(clients) > 1 or bool(would_accept)


def _by_owner(sight: Sight, unwatched: Iterable[int]) -> dict[int, int]:
    """Return the connections whose only owner has no other connection: a child that waits for something else now."""
    blind = {task.pid for task in sight.look.tasks.values() if task.call.name == RING}
    having = {number: sight.owners.get(sight.inodes[number], frozenset()) - blind for number in unwatched}
    count = Counter(pid for pids in having.values() for pid in pids)
    found = {}
    for number, pids in having.items():
        own = [pid for pid in pids if count[pid] == 1]
        if own and len(having) > 1:
            found[number] = max(own)  # where a parent and its child have the same only connection, the child serves
    return found


def keepers(found: Pattern) -> set[TaskId]:
    """Return the tasks that do not serve, but wait for readiness beside tasks that do: they may keep idle clients."""
    return {
        task.id
        for task in found.sight.look.tasks.values()
        if task.watches and task.call.descriptors and task.id not in found.holders and task.pid in found.processes
    }


def mechanism(tasks: Iterable[Task]) -> str | None:
    """Return the mechanism by which the loops wait."""
    names = Counter(FAMILY[task.call.name] for task in tasks if task.call.name in FAMILY)
    return names.most_common(1)[0][0] if names else None


def manner(tasks: Iterable[Task]) -> str:
    """Return how the loops wait, for use in a sentence; empty if there is no word for it."""
    tasks = list(tasks)
    how = mechanism(tasks) or ("io_uring" if any(task.call.name == RING for task in tasks) else "")
    return f" using {how}" if how else ""


def all_loops(found: Pattern) -> dict[TaskId, Task]:
    """Return the loops, and the tasks that do the same but happen to have one client or none yet.

    A loop that accepts its own clients also waits for the listening socket. So does its idle sibling, and a sibling
    that was woken for a client, came too late for it, and now waits in accept(). Loops that are handed their clients do
    not, nor does the task that hands them out.
    """
    look = found.sight.look
    loops = dict(found.loops)
    accepting = {key for key, task in loops.items() if task.sockets & look.listeners}
    for number in found.single:
        for task in found.sight.watchers(number):
            if task.watches and task.call.name in {loop.call.name for loop in loops.values()}:
                loops[task.id] = task
    if accepting:
        names = {look.tasks[key].call.name for key in accepting}
        theirs = look.listeners & frozenset().union(*(loops[key].sockets for key in accepting))
        loops |= {
            key: task
            for key, task in look.tasks.items()
            if (task.call.name in names and task.sockets & look.listeners)
            or (task.call.name in ACCEPT and task.sockets & theirs)
        }
    return loops


def siblings_aside(found: Pattern) -> set[int]:
    """Return the siblings of an accepting loop that have the listening socket too, but wait for something else.

    They wait in the same call, so they may be loops whose turn to accept has not come, or they may do something else.
    """
    look = found.sight.look
    loops = all_loops(found)
    accepting = {key for key, task in loops.items() if task.sockets & look.listeners}
    parents = {look.processes[pid].parent for pid, _ in accepting}
    calls = {look.tasks[key].call.name for key in accepting}
    aside = {
        task.pid
        for task in look.tasks.values()
        if task.pid == task.tid and task.call.name in calls and look.processes[task.pid].parent in parents
    } - {pid for pid, _ in loops}
    return {pid for pids in owners(look.listeners, aside).values() for pid in pids}


def siblings_handed(found: Pattern) -> set[int]:
    """Return the idle processes with the same parent that wait like a loop that is handed its clients.

    The process that accepts may hand clients to them, too.
    """
    look = found.sight.look
    handed = [task for task in found.loops.values() if not task.sockets & look.listeners]
    parents = {look.processes[task.pid].parent for task in handed} & set(look.processes)
    calls = {FAMILY.get(task.call.name) for task in handed}
    return {
        task.pid
        for task in look.tasks.values()
        if task.watches and task.id not in found.loops and FAMILY[task.call.name] in calls
        and task.pid not in {one.pid for one in handed} and not task.sockets & look.listeners
        and look.processes[task.pid].parent in parents
    }  # fmt: skip


def idle_siblings(found: Pattern) -> set[Holder]:
    """Return the tasks that wait for the next client: in accept, at the listening socket, or for a lock around it."""
    look = found.sight.look
    waiting = {task.id for task in look.tasks.values() if task.sockets & look.listeners}
    held = found.processes | {pid for pid, _ in found.foreign}
    parents = {look.processes[pid].parent for pid in held if pid in look.processes} & set(look.processes)
    locked = {
        task.id
        for task in look.tasks.values()
        if task.call.name in LOCK and task.pid == task.tid and look.processes[task.pid].parent in parents
    }
    having = set().union(*owners(look.listeners, {pid for pid, _ in locked}).values()) if locked else set()
    return {*waiting, *(key for key in locked if key[0] in having)}

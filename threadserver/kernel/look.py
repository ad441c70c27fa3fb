"""One look at a server: its tasks, and the sockets that each waits for, at (nearly) one moment.

A look is read from many files, one after the other, while the server goes on. So a single look may catch a connection
on its way from one task to another; `experiment` compares looks until they agree.
"""

import os
import stat
from contextlib import suppress
from dataclasses import dataclass, field

from threadserver.kernel import epoll, uring
from threadserver.kernel.calls import Call, blocked_call
from threadserver.kernel.eyes import as_owner
from threadserver.kernel.living import holder
from threadserver.kernel.processes import Status, everyone, family, tasks
from threadserver.kernel.syscalls import EPOLL, READINESS
from threadserver.kernel.task import Task, TaskId


@dataclass(frozen=True, slots=True)
class Look:
    """The processes and tasks that were seen."""

    processes: dict[int, Status]
    """The server's processes, including zombies."""
    tasks: dict[TaskId, Task]
    listeners: frozenset[int]
    """The listening sockets, by inode."""

    @property
    def hidden(self) -> bool:
        """True when we lack permission to see what a task is blocked in."""
        return any(task.call.descriptors is None for task in self.tasks.values())

    @property
    def running(self) -> bool:
        """True when any task runs, so that the next look may differ."""
        return any(task.running for task in self.tasks.values())

    @property
    def zombies(self) -> list[int]:
        """Processes that have ended, and that their parent has not waited for."""
        return [pid for pid, process in self.processes.items() if not process.alive]

    def waiting_for(self, inode: int) -> list[Task]:
        """Return the tasks that wait for a socket."""
        return [task for task in self.tasks.values() if inode in task.sockets]


@dataclass(slots=True)
class Lens:
    """Takes looks at a group of processes: the roots, and all their descendants."""

    roots: set[int]
    listeners: frozenset[int] = frozenset()
    also: set[int] = field(default_factory=set)
    """Processes that belong to the server although they descend from none of the roots."""
    keeper: int | None = None
    """The root that is our process, not the server's: the one that started it."""

    def look(self) -> Look:
        """Look once. Processes that end meanwhile are left out."""
        all_processes = everyone()
        members = [pid for pid in family(self.roots | self.also, all_processes) if pid != self.keeper]
        found: dict[TaskId, Task] = {}
        for pid in members:
            if all_processes[pid].alive:
                found |= {task.id: task for task in uring.dealt(pid, tasks_of(pid), self.listeners)}
        return Look({pid: all_processes[pid] for pid in members}, found, self.listeners)


def tasks_of(pid: int) -> list[Task]:
    """Return each thread of a process as a task."""
    inodes = _Inodes(pid)
    found = []
    with as_owner(pid):
        for tid in tasks(pid):
            with suppress(FileNotFoundError, ProcessLookupError):
                call = blocked_call(pid, tid)
                sockets = inodes.of(call)
                found.append(Task(pid, tid, call, sockets, inodes.not_to_read(call, sockets)))
    return found


class _Inodes:
    """Turns the descriptors of one process into inodes of sockets; reads each only once in a look."""

    def __init__(self, pid: int) -> None:
        self._pid = pid
        self._holder = holder(pid)
        self._sockets: dict[int, int | None] = {}
        self._sets: dict[int, frozenset[int]] = {}

    def of(self, call: Call) -> frozenset[int]:
        """Return the sockets that a call waits for."""
        if not call.descriptors:
            return frozenset()
        if call.name in EPOLL:
            return self._of_set(call.descriptors[0])
        sockets: set[int] = set()
        for descriptor in call.descriptors:
            inode = self._of_descriptor(descriptor)
            if inode is not None:
                sockets.add(inode)
            elif call.name in READINESS:
                sockets |= self._of_set(descriptor)  # poll can watch an epoll set, too
        return frozenset(sockets)

    def not_to_read(self, call: Call, sockets: frozenset[int]) -> frozenset[int]:
        """Return the sockets that a call for readiness watches, but does not wait to read from."""
        if call.name in EPOLL and call.descriptors:
            with suppress(OSError):
                return sockets - epoll.watched(self._pid, call.descriptors[0], epoll.TO_READ).keys()
        return frozenset(filter(None, map(self._of_descriptor, call.not_to_read)))

    def _of_descriptor(self, descriptor: int) -> int | None:
        if descriptor not in self._sockets:
            try:
                found = os.stat(f"/proc/{self._holder}/fd/{descriptor}")  # noqa: PTH116
                self._sockets[descriptor] = found.st_ino if stat.S_ISSOCK(found.st_mode) else None
            except OSError:
                self._sockets[descriptor] = None
        return self._sockets[descriptor]

    def _of_set(self, descriptor: int) -> frozenset[int]:
        if descriptor not in self._sets:
            try:
                self._sets[descriptor] = frozenset(epoll.watched(self._pid, descriptor))
            except OSError:
                self._sets[descriptor] = frozenset()
        return self._sets[descriptor]

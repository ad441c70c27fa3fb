"""The pending operations of an io_uring, for a task that waits in io_uring_enter, from /proc/PID/fdinfo/FD.

That file shows how many operations of each kind wait for readiness, though not on which descriptors::

    PollList:
      op=13, task_works=0          an accept
      op=27, task_works=0          a recv, and so on (include/uapi/linux/io_uring.h)

So the sockets of the process that no other task waits for are assigned to the rings, in the order of their descriptors.
Which ring waits for which socket is a guess; how many it waits for is not. If the kernel shows no list, or a ring is
busy at that moment, the rings get no sockets.
"""

import re
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import replace

from threadserver.kernel.calls import read_file
from threadserver.kernel.eyes import as_owner
from threadserver.kernel.living import holder
from threadserver.kernel.processes import links
from threadserver.kernel.syscalls import RING
from threadserver.kernel.task import Task

_PENDING = re.compile(rb"\n\s+op=(\d+), task_works")
_ACCEPT = {13}
_READ = {1, 4, 6, 10, 22, 27}  # readv, read_fixed, poll_add, recvmsg, read, recv


def pending(pid: int, descriptor: int) -> tuple[int, int]:
    """Return how many accepts and how many reads a ring waits for; 0 if the kernel does not show it."""
    with suppress(OSError), as_owner(pid):
        operations = [int(found) for found in _PENDING.findall(read_file(f"/proc/{holder(pid)}/fdinfo/{descriptor}"))]
        return sum(one in _ACCEPT for one in operations), sum(one in _READ for one in operations)
    return 0, 0


def dealt(pid: int, tasks: Iterable[Task], listeners: frozenset[int]) -> list[Task]:
    """Return the tasks, with as many sockets for each that waits for a ring as the ring waits for."""
    tasks = list(tasks)
    rings = {task.call.descriptors[0] for task in tasks if task.call.name == RING and task.call.descriptors}
    if not rings:
        return tasks
    taken = frozenset().union(*(task.sockets for task in tasks)) | listeners
    free = [inode for inode in _sockets(pid) if inode not in taken]
    sockets: dict[int, frozenset[int]] = {}
    for ring in sorted(rings):
        accepts, reads = pending(pid, ring)
        own, free = free[:reads], free[reads:]
        sockets[ring] = frozenset(own) | (listeners if accepts or len(own) < reads else frozenset())
    return [
        replace(task, sockets=sockets[task.call.descriptors[0]])
        if task.call.name == RING and task.call.descriptors
        else task
        for task in tasks
    ]


def _sockets(pid: int) -> list[int]:
    found = sorted(links(pid).items())
    return [int(link[8:-1]) for _, link in found if link.startswith("socket:[")]

"""Reads the output of strace(1): which tasks sent on which connection, and whether another task had to wake them.

A loop that answers by itself reads and sends. A loop with a worker that computes the answer reads, sleeps in its call
again, is woken by a byte that the worker writes into a pipe, an eventfd or a pair of sockets, and only then sends. A
worker that hands a connection back to an epoll set calls epoll_ctl itself::

    [pid 71] recvfrom(9<socket:[812]>, ...) = 5         the request
    [pid 71] epoll_wait(4<anon_inode:[eventpoll]>, ...  asleep
    [pid 71] read(5<anon_inode:[eventfd]>, ...) = 8     woken
    [pid 71] sendto(9<socket:[812]>, ...) = 5           the answer
"""

import re
from dataclasses import dataclass, field

from threadserver.kernel.syscalls import READINESS, RECEIVE, SEND

_BIRTH = {"clone", "clone3", "fork", "vfork"}
CALLS = ",".join(f"?{name}" for name in sorted(SEND | RECEIVE | READINESS | _BIRTH | {"epoll_ctl"}))
"""For strace's -e trace=; the question mark allows for machines that lack a call."""

_LINE = re.compile(rb"^(?:\[pid\s+(\d+)\]\s*)?(\w+)\((.*)")
_FILE = re.compile(rb"^\d+<([^>]*)>")
_HANDED = re.compile(rb"^[^,]*, EPOLL_CTL_\w+, \d+<socket:\[(\d+)\]>")
_CHANNEL = re.compile(rb"^(?:pipe:\[\d+\]|anon_inode:\[eventfd\]|anon_inode:\[eventfd\w*\])$")


@dataclass
class Traced:
    """Tasks by number, connections by inode."""

    sent_on: dict[int, set[int]] = field(default_factory=dict)
    """The tasks that sent on each connection."""
    read: set[int] = field(default_factory=set)
    handed: set[int] = field(default_factory=set)
    """The tasks that changed an epoll set for a connection that they had not read before."""
    born: bool = False
    """True when a task was created."""
    woken: set[int] = field(default_factory=set)
    """Connections whose answer was sent by a task that had to be woken for it."""

    @property
    def sent(self) -> set[int]:
        """All tasks that sent."""
        return set().union(*self.sent_on.values())


@dataclass
class _Loop:
    """What one task has done on each connection: 0 it read, 1 it then slept, 2 it was then woken."""

    since: dict[int, int] = field(default_factory=dict)

    def advance(self, step: int) -> None:
        self.since = {inode: step if stage == step - 1 else stage for inode, stage in self.since.items()}


def read(output: bytes, only: int, inodes: set[int], channels: frozenset[int]) -> Traced:
    """Return what strace's output shows of the connections ``inodes``; ``only`` is the task where strace names none."""
    seen = Traced()
    loops: dict[int, _Loop] = {}
    for line in output.splitlines():
        if found := _LINE.match(line):
            tid, name = int(found[1] or only), found[2].decode()
            seen.born = seen.born or name in _BIRTH
            _note(seen, loops.setdefault(tid, _Loop()), tid, name, found[3], inodes, channels)
    return seen


def _note(
    seen: Traced, loop: _Loop, tid: int, name: str, rest: bytes, inodes: set[int], channels: frozenset[int]
) -> None:
    if name in READINESS:
        loop.advance(1)
        return
    if name == "epoll_ctl":
        handed = _HANDED.match(rest)
        if handed and int(handed[1]) in inodes and int(handed[1]) not in loop.since:
            seen.handed.add(tid)
        return
    file = _FILE.match(rest)
    if not file:
        return
    inode = int(file[1][8:-1]) if file[1].startswith(b"socket:[") else 0
    if inode in inodes and name in SEND:
        seen.sent_on.setdefault(inode, set()).add(tid)
        if loop.since.pop(inode, 0) == 2:
            seen.woken.add(inode)
    elif inode in inodes:
        seen.read.add(tid)
        loop.since[inode] = 0
    elif name in RECEIVE and b" = -1 EAGAIN" not in rest and (inode in channels or _CHANNEL.match(file[1])):
        loop.advance(2)

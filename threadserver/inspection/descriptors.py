"""Descriptors in words: a listening socket with its backlog, a connection, a pipe, an epoll set, a file."""

import os
from collections import Counter
from contextlib import suppress

from threadserver.core.plurals import count
from threadserver.core.printable import printable
from threadserver.kernel import epoll, uring
from threadserver.kernel.calls import Call
from threadserver.kernel.processes import remedy
from threadserver.kernel.sockets import Socket
from threadserver.kernel.syscalls import EPOLL, RING

MOST_NAMED = 3  # sockets of a kind that are named one by one


class Descriptions:
    """Describes the descriptors of one process, given the sockets of its network namespace by inode."""

    def __init__(self, pid: int, links: dict[int, str], sockets: dict[int, Socket]) -> None:
        self._pid = pid
        self._links = links
        self._sockets = sockets

    def of_call(self, call: Call) -> str:
        """Return what a blocked call waits for."""
        if call.descriptors is None:
            return f"unknown: you lack permission to trace the process ({remedy()})"
        if not call.descriptors:
            return ""
        if call.name in EPOLL:
            return self._of_set(call.descriptors[0])
        if call.name == RING:
            accepts, reads = uring.pending(self._pid, call.descriptors[0])
            return f"io_uring, pending: {count(accepts, 'accept')}, {count(reads, 'read')}"
        if len(call.descriptors) == 1:
            return self.of(call.descriptors[0])
        return summary([self._short(descriptor) for descriptor in call.descriptors])

    def of(self, descriptor: int) -> str:
        """Return what one descriptor is."""
        link = self._links.get(descriptor, "")
        inode = inode_of(link)
        if inode is not None:
            found = self._sockets.get(inode)
            return describe(found) if found else f"socket {inode}"
        if link == "anon_inode:[eventpoll]":
            return self._of_set(descriptor)
        return _plain(link)

    def _of_set(self, descriptor: int) -> str:
        """Return what an epoll set watches."""
        watched: dict[int, int] = {}
        with suppress(OSError):
            watched = epoll.watched(self._pid, descriptor)
        names = [
            _brief(self._sockets[inode]) if inode in self._sockets else _plain(self._links.get(number, "file"))
            for inode, number in watched.items()
        ]
        return f"epoll set: {summary(names)}"

    def _short(self, descriptor: int) -> str:
        found = self._sockets.get(inode_of(self._links.get(descriptor, "")) or -1)
        return _brief(found) if found else self.of(descriptor)


def inode_of(link: str) -> int | None:
    """Return the inode in ``socket:[1234]``; None for anything but a socket."""
    return int(link[8:-1]) if link.startswith("socket:[") else None


def describe(found: Socket) -> str:
    """Return the full description of a socket."""
    if found.listens:
        used = (
            f"backlog {found.receive_queue} of {found.send_queue}"
            if found.send_queue
            else f"backlog {found.receive_queue}"
        )
        return f"listening socket {found.local}, {used}"
    if found.scheme == "unix":
        return f"local connection {found.local}" if found.source else "local connection"
    if found.scheme == "udp":
        return f"datagram socket {found.local}"
    unread = f", {count(found.receive_queue, 'byte')} unread" if found.receive_queue else ""
    return f"connection {found.local} ← {found.peer}, {found.state}{unread}"


def summary(names: list[str]) -> str:
    """Return a few names, and a number for each kind that has many."""
    names = sorted(names, key=lambda name: not name.startswith("listening"))
    kinds = Counter(name.split(" ")[0] for name in names)
    shown, counted = [], set()
    for name in names:
        kind = name.split(" ")[0]
        if kinds[kind] <= MOST_NAMED:
            shown.append(name)
        elif kind not in counted:
            counted.add(kind)
            shown.append(f"{kinds[kind]} × {kind}")  # noqa: RUF001
    return ", ".join(shown) or "nothing"


def _brief(found: Socket) -> str:
    if found.listens:
        return f"listening {found.local}"
    if found.scheme == "tcp":
        return f"connection {found.peer}"
    return describe(found)


def _plain(link: str) -> str:
    if link.startswith("pipe:"):
        return f"pipe {link[6:-1]}"
    if link.startswith("anon_inode:"):
        return link.removeprefix("anon_inode:").strip("[]")
    return printable(os.path.basename(link) if link.startswith("/dev/") else link) or "closed"  # noqa: PTH119

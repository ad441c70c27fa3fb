"""The files that an epoll set watches, from /proc/PID/fdinfo/FD (proc(5)).

That file has one line for each file in the set::

    tfd:        7 events:     2019 data:                7  pos:0 ino:1f3a sdev:8

``ino`` is the watched file's inode, so the file is known even if the process has no descriptor for it. A set may
watch other sets, which are read too.
"""

import os
import re
import select
from pathlib import Path

from threadserver.kernel.eyes import as_owner
from threadserver.kernel.living import holder

TO_READ = select.EPOLLIN | select.EPOLLRDNORM
DEEPEST = 4  # sets in sets; the kernel itself allows 5
_LINE = re.compile(rb"tfd:\s*(\d+) events:\s*(\w+) data:\s*\w+\s+pos:\s*-?\w+ ino:(\w+) sdev:(\w+)")
_SETS = "anon_inode:[eventpoll]"


def watched(pid: int, descriptor: int, events: int = 0, depth: int = 0) -> dict[int, int]:
    """Return the inode of each file that an epoll set watches, with the descriptor that the set knows it by.

    With ``events``, return only files for which the set awaits one of these events.

    Raises OSError when there is no such set, or when we lack permission to read it.
    """
    with as_owner(pid):
        text = Path(f"/proc/{holder(pid)}/fdinfo/{descriptor}").read_bytes()
    found: dict[int, int] = {}
    other: dict[bytes, list[int]] = {}
    for number, mask, inode, device in _LINE.findall(text):
        if events and not int(mask, 16) & events:
            continue
        found[int(inode, 16)] = int(number)
        other.setdefault(device, []).append(int(number))
    if depth < DEEPEST:
        for inner in _inner_sets(pid, other):
            found |= watched(pid, inner, events, depth + 1)
    return found


def _inner_sets(pid: int, by_device: dict[bytes, list[int]]) -> list[int]:
    """Return the sets among the watched files. Sockets share one device, sets another: one look for each suffices."""
    inner = []
    for numbers in by_device.values():
        if _link(pid, numbers[0]).startswith("socket:"):
            continue
        inner += [number for number in numbers if _link(pid, number) == _SETS]
    return inner


def _link(pid: int, descriptor: int) -> str:
    try:
        with as_owner(pid):
            return os.readlink(f"/proc/{holder(pid)}/fd/{descriptor}")  # noqa: PTH115
    except OSError:
        return ""

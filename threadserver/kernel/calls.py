"""The system call that a task is blocked in, and the descriptors that it waits for.

/proc/PID/task/TID/syscall holds one line while a task sleeps::

    45 0x7 0x7f2a7c000b60 0x4000 0x0 0x0 0x0 0x7ffd6c1f0e48 0x7f2a8150a2fe
    │  └── six arguments: recvfrom(7, buffer, 16384, flags …) ──┘  stack and instruction pointer
    └── its number; "running" while it computes or waits for a processor, -1 when it sleeps outside a call

``poll`` and ``select`` take their descriptors from the task's memory, so they are read there; an epoll set has a file
of its own, which `epoll` reads. Reading these files needs permission to trace the process (ptrace(2), "access mode
checking"), but nothing is traced: the task does not notice.
"""

import os
import select
import struct
from contextlib import suppress
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from threading import Thread, get_native_id
from time import sleep

from threadserver.kernel.living import holder
from threadserver.kernel.syscalls import DESCRIPTOR, NAMES, POLL, SELECT

MSG_PEEK = 0x2
_TO_READ = select.POLLIN | 0x40  # POLLRDNORM
MOST_DESCRIPTORS = 65_536  # of one poll(): a wrong count read from a register must not exhaust our memory
_CHANCES, _PAUSE = 400, 0.005  # looks, and seconds between them, until a thread of ours waits in the expected call
_BEFORE = {number for number, name in NAMES.items() if name == "futex"}  # calls in which a starting thread may wait
WORD = struct.calcsize("P")

# Where a task sleeps in the kernel (/proc/PID/task/TID/wchan). It names a call that was interrupted and goes on as
# restart_syscall, and the call of a process that we may inspect but not trace, though not the descriptors.
_WHERE = (
    ("ep_poll", "epoll_wait"),
    ("epoll", "epoll_wait"),
    ("poll", "poll"),
    ("nanosleep", "clock_nanosleep"),
    ("futex", "futex"),
    ("select", "select"),
    ("accept", "accept"),
    ("wait_woken", "recvfrom"),
    ("sk_wait", "recvfrom"),
    ("skb_wait", "recvfrom"),
    ("do_wait", "wait4"),
    ("pipe_read", "read"),
)


@dataclass(frozen=True, slots=True)
class Call:
    """A system call in which a task is blocked.

    ``descriptors`` are those that it waits for (for an epoll call, the epoll set itself); None when we lack permission
    to read them. ``peeks`` is true for a recv that leaves the bytes in the socket.
    """

    name: str
    descriptors: tuple[int, ...] | None = ()
    arguments: tuple[int, ...] = ()
    peeks: bool = False
    not_to_read: tuple[int, ...] = ()
    """The descriptors of a `poll` or `select` that it does not wait to read from."""

    def __str__(self) -> str:
        if self.descriptors is None:
            return f"{self.name}(?)"
        shown = ", ".join(map(str, self.descriptors[:4])) + (", …" if len(self.descriptors) > 4 else "")
        return f"{self.name}({shown})" if self.descriptors else self.name


RUNNING = Call("running")
OUTSIDE = Call("outside a call")
HIDDEN = Call("hidden", None)


def blocked_call(pid: int, tid: int) -> Call:
    """Return the call that a task is blocked in; RUNNING when it is not blocked, HIDDEN when we lack permission.

    Raises ProcessLookupError or FileNotFoundError when the task has ended.
    """
    if not numbers_are_true():
        return HIDDEN
    try:
        words = read_file(f"/proc/{pid}/task/{tid}/syscall").split()
    except PermissionError:
        name = _place(pid, tid)
        return Call(name, None) if name else HIDDEN
    if not words:
        raise ProcessLookupError(pid)
    if words[0] == b"running":
        return RUNNING
    if words[0] == b"-1":
        return OUTSIDE
    if tid == get_native_id():  # our own task is only blocked in reading this file
        return RUNNING
    number, *arguments = int(words[0]), *(int(word, 16) for word in words[1:7])
    name = NAMES.get(number, f"call {number}")
    if name == "restart_syscall":
        name = _place(pid, tid) or name
    waits_for, to_read = _descriptors(pid, name, arguments)
    others = tuple(set(waits_for or ()) - to_read) if name in POLL | SELECT else ()
    return Call(name, waits_for, tuple(arguments), _peeks(name, arguments), others)


@cache
def numbers_are_true() -> bool:
    """Tell whether /proc shows this machine's system calls, by looking at a thread of ours that waits in read().

    Under emulation (an amd64 image on another processor) it may show the numbers of the machine outside.
    """
    reading, writing = os.pipe()
    waiting = Thread(target=os.read, args=(reading, 1), daemon=True)
    waiting.start()
    try:
        for _ in range(_CHANCES):
            words = read_file(f"/proc/self/task/{waiting.native_id}/syscall").split()
            if words and words[0] not in {b"running", b"-1"}:
                number = int(words[0])
                if NAMES.get(number) == "read" and int(words[1], 16) == reading:
                    return True
                if number not in _BEFORE:
                    return False
            sleep(_PAUSE)
    except (OSError, ValueError):
        return True  # nothing is shown, at least not to us, so nothing wrong is shown
    finally:
        os.write(writing, b"x")
        waiting.join()
        os.close(reading)
        os.close(writing)
    return False


def _place(pid: int, tid: int) -> str:
    """Return the call that belongs to the place in the kernel where a task sleeps; empty if that is hidden too."""
    with suppress(OSError):
        where = read_file(f"/proc/{pid}/task/{tid}/wchan").decode()
        for part, name in _WHERE:
            if part in where:
                return name
    return ""


def _peeks(name: str, arguments: list[int]) -> bool:
    flags = {"recvfrom": 3, "recvmsg": 2, "recvmmsg": 3}.get(name)
    return flags is not None and bool(arguments[flags] & MSG_PEEK)


def _descriptors(pid: int, name: str, arguments: list[int]) -> tuple[tuple[int, ...] | None, set[int]]:
    """Read which descriptors a call waits for, and for poll and select, which of them it waits to read from."""
    if name in POLL:
        return _of_poll(pid, arguments[0], arguments[1])
    if name in SELECT:
        return _of_select(pid, arguments[0], arguments[1:4])
    if name in DESCRIPTOR:
        return (arguments[DESCRIPTOR[name]] & 0xFFFFFFFF,), set()
    return (), set()


def _of_poll(pid: int, array: int, count: int) -> tuple[tuple[int, ...] | None, set[int]]:
    """Read the array of struct pollfd {int fd; short events, revents}; a negative fd is skipped, as poll(2) does."""
    count = min(count & 0xFFFFFFFF, MOST_DESCRIPTORS)
    memory = read_memory(pid, array, 8 * count)
    if memory is None:
        return None, set()
    found = [(fd, events) for fd, events, _ in struct.iter_unpack("iHH", memory) if fd >= 0]
    return tuple(fd for fd, _ in found), {fd for fd, events in found if events & _TO_READ}


def _of_select(pid: int, count: int, sets: list[int]) -> tuple[tuple[int, ...] | None, set[int]]:
    """Read up to three fd_set, one bit for each descriptor: while a task waits, they are as it passed them."""
    count = min(count & 0xFFFFFFFF, MOST_DESCRIPTORS)
    size = -(-count // (8 * WORD)) * WORD
    union = to_read = 0
    for address in filter(None, sets):
        memory = read_memory(pid, address, size)
        if memory is None:
            return None, set()
        bits = int.from_bytes(memory, "little")
        union |= bits
        to_read |= bits if address == sets[0] else 0
    return _bits(union, count), set(_bits(to_read, count))


def _bits(bits: int, count: int) -> tuple[int, ...]:
    return tuple(fd for fd in range(count) if bits >> fd & 1)


def read_memory(pid: int, address: int, size: int) -> bytes | None:
    """Return ``size`` bytes of a process's memory; None when the kernel refuses."""
    if not size:
        return b""
    try:
        with Path(f"/proc/{holder(pid)}/mem").open("rb", buffering=0) as memory:
            memory.seek(address)
            found = memory.read(size)
    except (OSError, OverflowError, ValueError):
        return None
    return found if len(found) == size else None


def read_file(path: str) -> bytes:
    """Return the content of a small file in /proc. A look reads thousands of them, so it makes no file objects."""
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        return os.read(descriptor, 65_536)
    finally:
        os.close(descriptor)

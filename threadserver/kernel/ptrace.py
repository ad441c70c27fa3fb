"""ptrace(2), as far as two things need it: reading the system calls of tasks, and holding tasks still.

A task is *seized*: nothing is sent to it, and its parent notices nothing. To stop it, it is interrupted, and a call in
which it sleeps returns. The kernel restarts most calls, but some report EINTR to the program (signal(7): epoll_wait, a
recv with a time-out, …), which no client can cause. So `begin_again` sets the registers back to before the call: the
program never learns that it was stopped.

Only the thread that seized a task may do anything else with it; when that thread ends, all its tasks are released.
"""

import ctypes
import errno
import os
import platform
from typing import NamedTuple

from threadserver.kernel.eyes import attaching

SYSCALL, DETACH = 24, 17
SEIZE, INTERRUPT, LISTEN = 0x4206, 0x4207, 0x4208
_GETEVENTMSG, _GETREGSET, _SETREGSET, _GET_SYSCALL_INFO = 0x4201, 0x4204, 0x4205, 0x420E
SYSGOOD, FORK, VFORK, CLONE = 0x1, 0x2, 0x4, 0x8
EVENT_FORK, EVENT_VFORK, EVENT_CLONE, EVENT_STOP = 1, 2, 3, 128
BIRTHS = {EVENT_FORK, EVENT_VFORK, EVENT_CLONE}
ALL_KINDS, THIS_THREAD = 0x40000000, 0x20000000  # __WALL, __WNOTHREAD
_PRSTATUS = 1
_ENTRY, _EXIT = 1, 2
# Where a 64-bit task keeps the result of a call, its number, and the address of the next instruction; the length of the
# instruction that calls the kernel; and the architecture's name in a ptrace_syscall_info (linux/audit.h).
_REGISTERS = {"x86_64": (10, 15, 16, 2, 0xC000003E), "aarch64": (0, 8, 32, 4, 0xC00000B7)}.get(platform.machine())
_INTERRUPTED = {-errno.EINTR, -512, -513, -514, -516}  # and the kernel's own ERESTART…: it slept, and was woken by us

_libc = ctypes.CDLL(None, use_errno=True)
_held = ctypes.PyDLL(None, use_errno=True)  # keeps the interpreter's lock: ptrace(2) itself never waits
_held.ptrace.argtypes = (ctypes.c_long, ctypes.c_int, ctypes.c_void_p, ctypes.c_void_p)
_held.ptrace.restype = ctypes.c_long
_libc.waitpid.argtypes = (ctypes.c_int, ctypes.POINTER(ctypes.c_int), ctypes.c_int)


class _Vector(ctypes.Structure):
    _fields_ = (("base", ctypes.c_void_p), ("length", ctypes.c_size_t))


class _Info(ctypes.Structure):
    """struct ptrace_syscall_info. At the entry ``words`` are the number and six arguments, at the exit the result."""

    _fields_ = (
        ("op", ctypes.c_uint8), ("pad", ctypes.c_uint8 * 3), ("arch", ctypes.c_uint32),
        ("ip", ctypes.c_uint64), ("sp", ctypes.c_uint64), ("words", ctypes.c_uint64 * 8),
    )  # fmt: skip


class Entry(NamedTuple):
    """A task is about to make a call. ``number`` is -1 if the call is of another architecture, such as 32-bit."""

    number: int
    arguments: tuple[int, ...]


class Exit(NamedTuple):
    """A call has returned."""

    result: int


def seize(tid: int, options: int = 0) -> None:
    """Seize a task. Raises PermissionError if that is forbidden, ProcessLookupError when the task has ended."""
    with attaching():
        _do(SEIZE, tid, options)


def interrupt(tid: int) -> None:
    """Stop a task that was seized: it reports an EVENT_STOP soon."""
    _do(INTERRUPT, tid)


def go_on(tid: int, signal: int = 0) -> None:
    """Let a stopped task go on to its next call, with a signal or without."""
    _do(SYSCALL, tid, signal)


def listen(tid: int) -> None:
    """Leave a task stopped by a signal; it reports again when it continues."""
    _do(LISTEN, tid)


def newborn(tid: int) -> int:
    """Return the id of the task that this one has just created."""
    message = ctypes.c_ulong()
    _do(_GETEVENTMSG, tid, ctypes.addressof(message))
    return message.value


def call_of(tid: int) -> Entry | Exit | None:
    """Return the call that a stopped task is about to make or has just made."""
    info = _Info()
    _do(_GET_SYSCALL_INFO, tid, ctypes.addressof(info), ctypes.sizeof(info))
    if info.op == _ENTRY:
        known = _REGISTERS is not None and info.arch == _REGISTERS[4]
        return Entry(int(info.words[0]) if known else -1, tuple(info.words[1:7]))
    if info.op == _EXIT:
        return Exit(ctypes.c_int64(info.words[0]).value)
    return None


def begin_again(tid: int) -> bool:
    """Make an interrupted task repeat its call if it would see EINTR; return True when it slept in a call."""
    if _REGISTERS is None:
        return False
    result, number, instruction, length, _ = _REGISTERS
    registers = (ctypes.c_uint64 * 68)()
    vector = _Vector(ctypes.addressof(registers), ctypes.sizeof(registers))
    _do(_GETREGSET, tid, ctypes.addressof(vector), _PRSTATUS)
    found = ctypes.c_int64(registers[result]).value
    if found not in _INTERRUPTED or ctypes.c_int64(registers[number]).value < 0:
        return False
    if found == -errno.EINTR and platform.machine() == "x86_64":  # elsewhere the result overwrites the first argument
        registers[result] = registers[number]
        registers[number] = ctypes.c_uint64(-1).value
        registers[instruction] -= length
        _do(_SETREGSET, tid, ctypes.addressof(vector), _PRSTATUS)
    return True


def wait(tid: int = -1, options: int = 0) -> tuple[int, int] | None:
    """Wait until a task that this thread has seized stops or ends; None after a signal, or at once with WNOHANG.

    Raises ChildProcessError when there is none.
    """
    status = ctypes.c_int()
    found = _libc.waitpid(tid, ctypes.byref(status), options | ALL_KINDS | THIS_THREAD)
    if found > 0:
        return found, status.value
    if found == 0 or ctypes.get_errno() == errno.EINTR:
        return None
    raise ChildProcessError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))


def _do(request: int, tid: int, data: int = 0, address: int = 0) -> None:
    if _held.ptrace(request, tid, address, data) < 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))  # the subclass that belongs to the number

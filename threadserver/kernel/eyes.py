"""Seeing what root may not see, by looking as the owner of the process.

In a container root usually lacks CAP_SYS_PTRACE (Docker's default). Then it may neither read the descriptors and the
blocked calls of another user's process nor trace it. That user may: ptrace(2), "access mode checking", requires the
same user and group ids. So the thread that reads takes them as its effective ids for a moment. Real and saved ids
stay root's, so only root can signal or trace us meanwhile (kill(2), ptrace(2)). The effective id also counts inside a
user namespace that this user has made, as bubblewrap does: its owner has every permission there
(user_namespaces(7)).
"""

import ctypes
import os
import platform
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import Any

from threadserver.kernel.living import holder

CAP_SYS_PTRACE = 19
PR_SET_PDEATHSIG, PR_GET_PDEATHSIG = 1, 2
# setresuid and setresgid by number, because the C library's functions change all threads at once.
_NUMBERS = {"x86_64": (117, 119), "aarch64": (147, 149)}
_LIBC = ctypes.CDLL(None, use_errno=True)
_KEEP = -1


def has_capability(number: int) -> bool:
    """Tell whether this process has a capability, by its number in capabilities(7), in its own user namespace."""
    try:
        status = Path("/proc/self/status").read_text()
    except OSError:
        return False
    mask = next((line.split()[1] for line in status.splitlines() if line.startswith("CapEff:")), "0")
    return bool(int(mask, 16) >> number & 1)


@cache
def must_borrow() -> bool:
    """Tell whether we are root without permission to inspect the processes of other users."""
    return os.geteuid() == 0 and not has_capability(CAP_SYS_PTRACE) and platform.machine() in _NUMBERS


@contextmanager
def as_owner(pid: int) -> Iterator[None]:
    """Let this thread act as the owner of process ``pid``, if root could not inspect the process otherwise.

    It takes a few microseconds; if it is not needed, almost none.
    """
    owner = _owner(pid) if must_borrow() and os.geteuid() == 0 else None  # else the thread already acts as the owner
    if owner is None:
        yield
        return
    user, group = owner
    on_death = ctypes.c_int()
    _LIBC.prctl(PR_GET_PDEATHSIG, ctypes.byref(on_death))
    own_group = os.getegid()
    _set_group(group)
    try:
        _set_user(user)
        yield
    finally:
        _set_user(0)
        _set_group(own_group)
        _LIBC.prctl(PR_SET_PDEATHSIG, on_death.value)  # the kernel forgets it when the ids change


@contextmanager
def attaching() -> Iterator[None]:
    """Let a thread that acts as another user attach to that user's processes: attaching checks the real ids, too.

    The saved ids stay root's, so the thread can come back. Keep the block short: that user may signal us meanwhile.
    """
    if not must_borrow() or os.geteuid() == 0:
        yield
        return
    user, group = _NUMBERS[platform.machine()]
    _LIBC.syscall(group, os.getegid(), _KEEP, _KEEP)
    _LIBC.syscall(user, os.geteuid(), _KEEP, _KEEP)
    try:
        yield
    finally:
        _LIBC.syscall(user, 0, _KEEP, _KEEP)
        _LIBC.syscall(group, 0, _KEEP, _KEEP)


def tracer(pids: list[int]) -> dict[str, Any]:
    """Return the arguments for subprocess.Popen with which strace may trace these processes.

    strace then runs as their user. It is started from a copy that this user may run but not read: the kernel protects
    such a process from being traced, so a submission cannot change what strace says (ptrace(2), "dumpable").
    """
    owner = _owner(pids[0]) if pids and must_borrow() else None
    program = shutil.which("strace")
    if owner is None or program is None:
        return {}
    copy = _unreadable(program)
    user, group = owner
    return {
        "executable": f"/proc/self/fd/{copy}", "pass_fds": [copy], "user": user, "group": group, "extra_groups": [],
    }  # fmt: skip


@cache
def _unreadable(program: str) -> int:
    """Copy a program into memory; return a descriptor from which every user may run it and only root may read it."""
    writing = os.memfd_create("strace", os.MFD_CLOEXEC)
    try:
        os.write(writing, Path(program).read_bytes())
        os.fchmod(writing, 0o711)
        return os.open(f"/proc/self/fd/{writing}", os.O_RDONLY | os.O_CLOEXEC)
    finally:
        os.close(writing)  # a file that is open for writing cannot be run


def _owner(pid: int) -> "tuple[int, int] | None":
    """Return the user and group of a process; None when it has ended, is root's, or is protected (shown as root's)."""
    try:
        seen = os.stat(f"/proc/{holder(pid)}")  # noqa: PTH116
    except OSError:
        return None
    return (seen.st_uid, seen.st_gid) if seen.st_uid else None


def _set_user(user: int) -> None:
    _set(0, user)


def _set_group(group: int) -> None:
    _set(1, group)


def _set(which: int, number: int) -> None:
    call = _NUMBERS[platform.machine()][which]
    if _LIBC.syscall(call, _KEEP, number, _KEEP):
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))

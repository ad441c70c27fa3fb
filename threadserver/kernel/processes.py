"""Processes and their tasks, from /proc (proc(5)).

Linux calls both threads and processes *tasks*: a process is a group of tasks, numbered after its first. A process in a
namespace of its own has another number there; here it always has the number that we see.
"""

import errno
import os
import pwd
import re
from collections import defaultdict
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from threadserver.kernel.calls import read_file
from threadserver.kernel.eyes import as_owner
from threadserver.kernel.living import ENDED, holder, living_task

STATES = {
    "R": "running", "S": "sleeping", "D": "disk sleep", "T": "stopped", "t": "traced", "Z": "zombie", "X": "dead",
    "I": "idle",
}  # fmt: skip
_GONE = (FileNotFoundError, ProcessLookupError)
_KERNEL, _RING = 0x200000, 0x10  # PF_KTHREAD and PF_IO_WORKER among a task's flags, linux/sched.h


@dataclass(frozen=True, slots=True)
class Status:
    """The first fields of /proc/PID/stat, of a process or a task."""

    name: str
    state: str
    parent: int
    processor_ticks: int
    kernel: bool
    """True for a thread of the kernel, which has no program and no descriptors."""
    ring: bool = False
    """True for a thread that the kernel has made for an io_uring of the process, whatever its name."""

    @property
    def alive(self) -> bool:
        """False once it has ended. A process has ended when none of its tasks can run, even if it is still a zombie."""
        return self.state not in ENDED


@dataclass(frozen=True, slots=True)
class Details:
    """What a person wants to know about a process. None: we lack permission to see it, or it does not exist."""

    command: str
    user: str
    inner_pid: int | None
    """Its number inside its own process namespace."""
    proportional_memory: int | None
    """PSS in bytes: pages that n processes share count one n-th for each."""
    descriptors: int | None
    traced_by: int


def status(pid: int, tid: int | None = None) -> Status:
    """Return the state of a process, or of one of its tasks. Raises OSError when it no longer exists.

    A process whose main thread has ended lives as long as any other thread does: its state is then that thread's.
    """
    path = f"/proc/{pid}/stat" if tid is None else f"/proc/{pid}/task/{tid}/stat"
    head, _, tail = read_file(path).rpartition(b")")  # the name itself may hold blanks and brackets
    fields = tail.split()
    name = head.partition(b"(")[2].decode("utf-8", "replace")
    state, threads = fields[0].decode(), int(fields[17])
    if tid is None and state in ENDED and threads > 1 and (found := living_task(pid)):
        state = found[1]
    ticks, flags = int(fields[11]) + int(fields[12]), int(fields[6])
    return Status(name, state, int(fields[1]), ticks, bool(flags & _KERNEL), bool(flags & _RING))


def remedy() -> str:
    """Return what to try when permission is missing."""
    return "try as root" if os.geteuid() else "even root lacks permission in this container"


def everyone() -> dict[int, Status]:
    """Return every process of the machine that we may see."""
    found = {}
    for name in os.listdir("/proc"):  # noqa: PTH208
        if name.isdecimal():
            with suppress(*_GONE):
                found[int(name)] = status(int(name))
    return found


def family(roots: Iterable[int], processes: dict[int, Status]) -> list[int]:
    """Return the roots and all their descendants, each parent before its children."""
    children = defaultdict(list)
    for pid, one in processes.items():
        children[one.parent].append(pid)
    ordered: dict[int, None] = {}
    waiting = sorted(roots, reverse=True)
    while waiting:
        pid = waiting.pop()
        if pid in processes and pid not in ordered:
            ordered[pid] = None
            waiting += sorted(children[pid], reverse=True)
    return list(ordered)


class Family:
    """The descendants of one process, looked at again and again.

    A process that does not descend from this one never will, so it is read only once. The kernel assigns ids in rising
    order: as long as the newest one rises, none has been reused.
    """

    def __init__(self, root: int) -> None:
        self._root = root
        self._strangers: set[str] = set()
        """What /proc lists and is not of this family."""
        self._others: set[str] = set()
        """What it lists besides; all there is while no task is made."""
        self._newest = 0

    def members(self) -> dict[int, Status]:
        """Return all descendants, zombies too, each parent before its children."""
        before, self._newest = self._newest, newest()
        if self._newest < before:
            self._strangers.clear()
        if self._newest != before:
            self._others = {*os.listdir("/proc")} - self._strangers  # noqa: PTH208
        found = {}
        for name in self._others:
            if not name.isdecimal():
                self._strangers.add(name)
                continue
            with suppress(*_GONE):
                found[int(name)] = status(int(name))
        below = family([self._root], found)
        # Only a process whose ancestors are all known is a stranger: a parent may have ended while we read.
        known = {pid for pid, one in found.items() if one.parent == 0 or str(one.parent) in self._strangers}
        self._strangers |= {str(pid) for pid in {*family(known, found)} - {*below}}
        self._others -= self._strangers
        return {pid: found[pid] for pid in below[1:]}


def tasks(pid: int) -> list[int]:
    """Return the thread ids of a process, without a main thread that has ended before the others; empty when gone."""
    try:
        found = sorted(map(int, os.listdir(f"/proc/{pid}/task")))  # noqa: PTH208
    except (*_GONE, PermissionError):
        return []
    return found[1:] if len(found) > 1 and holder(pid) != pid else found


def switches(pid: int, tid: int) -> int:
    """Return how often a task has gone to sleep voluntarily: the number grows whenever the task has run."""
    text = read_file(f"/proc/{pid}/task/{tid}/status")
    found = re.search(rb"\nvoluntary_ctxt_switches:\s*(\d+)", text)
    return int(found[1]) if found else 0


def processor_time(pid: int, tid: int) -> int:
    """Return for how long a task has run, in nanoseconds; if the kernel does not tell, how often it has slept."""
    try:
        return int(read_file(f"/proc/{pid}/task/{tid}/schedstat").split()[0])
    except (FileNotFoundError, IndexError, ValueError):
        return switches(pid, tid)


def waits_in_vfork(tid: int) -> bool:
    """Tell whether a task waits in vfork() until its child runs a program or ends: nothing else can wake it (vfork(2)).

    The kernel shows it in state D, as if it waited for a disk, in whichever of its functions clones.
    """
    with suppress(OSError):
        where = read_file(f"/proc/{tid}/wchan")
        return status(tid).state == "D" and (b"clone" in where or b"fork" in where)
    return False


def newest() -> int:
    """Return the id of the machine's newest task (proc(5), /proc/loadavg): it changes whenever a task is made."""
    return int(read_file("/proc/loadavg").split()[-1])


def details(pid: int) -> Details:
    """Return a description of a process for a person. Raises OSError when it no longer exists."""
    text = read_file(f"/proc/{pid}/status").decode("utf-8", "replace")
    fields = dict(line.split(":", 1) for line in text.splitlines() if ":" in line)
    inner = fields.get("NSpid", str(pid)).split()
    command = read_file(f"/proc/{holder(pid)}/cmdline").replace(b"\0", b" ").decode("utf-8", "replace")
    return Details(
        command=" ".join(command.split()),
        user=_user(int(fields["Uid"].split()[0])),
        inner_pid=int(inner[-1]) if len(inner) > 1 else None,
        proportional_memory=_proportional_memory(pid),
        descriptors=_count(pid),
        traced_by=int(fields.get("TracerPid", "0")),
    )


def owners(inodes: Iterable[int], pids: Iterable[int]) -> dict[int, set[int]]:
    """Return, for each socket (by inode), the processes that have a descriptor for it."""
    wanted = {f"socket:[{inode}]": inode for inode in inodes}
    found: dict[int, set[int]] = {inode: set() for inode in wanted.values()}
    if not wanted:
        return found
    for pid in pids:
        for link in links(pid).values():
            if link in wanted:
                found[wanted[link]].add(pid)
    return found


def links(pid: int) -> dict[int, str]:
    """Return every descriptor of a process with its link in /proc; empty when we lack permission to see them."""
    found = {}
    with suppress(*_GONE, PermissionError), as_owner(pid):
        folder = f"/proc/{holder(pid)}/fd"
        for name in os.listdir(folder):  # noqa: PTH208
            with suppress(*_GONE):
                found[int(name)] = _link(f"{folder}/{name}")
    return found


def _link(path: str) -> str:
    """Read what a descriptor is; empty for a file whose path is too long for the kernel to tell (PATH_MAX)."""
    try:
        return os.readlink(path)  # noqa: PTH115
    except OSError as error:
        if error.errno == errno.ENAMETOOLONG:
            return ""
        raise


def _user(number: int) -> str:
    try:
        return pwd.getpwuid(number).pw_name
    except KeyError:
        return str(number)


def _proportional_memory(pid: int) -> int | None:
    with suppress(OSError, ValueError), as_owner(pid):
        found = re.search(r"^Pss:\s+(\d+) kB", Path(f"/proc/{holder(pid)}/smaps_rollup").read_text(), re.MULTILINE)
        return int(found[1]) * 1024 if found else None
    return None


def _count(pid: int) -> int | None:
    try:
        with as_owner(pid):
            return len(os.listdir(f"/proc/{holder(pid)}/fd"))  # noqa: PTH208
    except OSError:
        return None

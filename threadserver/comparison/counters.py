"""The kernel's counts for a server: CPU seconds, memory, tasks, context switches, descriptors.

A server is a family of processes: all descendants of its keeper. The counts of a process disappear when it ends,
except its CPU seconds, which its parent gets by waiting for it (cutime and cstime, proc(5)); the keeper waits for
orphans, such as those of a server that forks twice. A parent that ignores SIGCHLD never waits, and the kernel forgets
the CPU seconds of its children: `Sample.uncounted` records that, because a fork per connection would then look cheaper
than it is.
"""

import os
import re
import signal
import time
from collections.abc import Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass

from threadserver.kernel.calls import read_file
from threadserver.kernel.living import holder
from threadserver.kernel.processes import details, everyone, family, tasks

FEWEST_TICKS = 5
"""A count of fewer clock ticks is too coarse."""
_TICK = os.sysconf("SC_CLK_TCK")
_SWITCHES = re.compile(rb"^(?:non)?voluntary_ctxt_switches:\s*(\d+)", re.MULTILINE)
_IGNORED = re.compile(rb"^SigIgn:\s*([0-9a-f]+)", re.MULTILINE)
_GONE = (FileNotFoundError, ProcessLookupError, PermissionError)


@dataclass(frozen=True, slots=True)
class Sample:
    """The counts at one moment."""

    time: float
    """From time.monotonic()."""
    cpu_seconds: float
    processes: int
    tasks: int
    """Threads of all processes, including each process's first."""
    zombies: int
    descriptors: int | None
    """None without permission to see them."""
    switches: dict[int, int]
    """Context switches of each living task, by thread id."""
    running: dict[int, int]
    """Nanoseconds on a core of each living task (schedstat): finer than clock ticks."""
    uncounted: bool
    """Whether CPU seconds of ended children are lost."""

    def switched_since(self, earlier: "Sample") -> int | None:
        """Return the context switches since ``earlier``; None if a task has ended, as its count is lost."""
        if earlier.switches.keys() - self.switches.keys():
            return None
        return sum(count - earlier.switches.get(tid, 0) for tid, count in self.switches.items())

    def cpu_since(self, earlier: "Sample") -> float | None:
        """Return CPU seconds since ``earlier``: exact to the nanosecond, or in ticks of 10 ms if tasks have ended.

        None if there are too few ticks to be meaningful.
        """
        ticks = self.cpu_seconds - earlier.cpu_seconds
        living = sum(spent - earlier.running.get(tid, 0) for tid, spent in self.running.items()) / 1e9
        rounding = (self.processes + 1) / _TICK
        if earlier.running.keys() <= self.running.keys() and self.running and ticks <= living + rounding:
            return living
        return ticks if ticks >= FEWEST_TICKS / _TICK else None


def members(keeper: int) -> list[int]:
    """Return the processes of a server, each parent before its children."""
    return family([keeper], everyone())[1:]


def sample(keeper: int) -> Sample:
    """Take the counts once, without processes that end meanwhile."""
    processes = everyone()
    pids = family([keeper], processes)[1:]
    alive = [pid for pid in pids if processes[pid].alive]
    counts = list(_counts(alive))
    return Sample(
        time=time.monotonic(),
        cpu_seconds=sum(map(_cpu_seconds, pids)) + _cpu_seconds(keeper, own=False),
        processes=len(alive),
        tasks=len(counts),
        zombies=len(pids) - len(alive),
        descriptors=_descriptors(alive),
        switches={tid: switches for tid, switches, _, _ in counts},
        running={tid: running for tid, _, running, _ in counts},
        uncounted=any(forgets for _, _, _, forgets in counts),
    )


def memory(keeper: int) -> int | None:
    """Return the proportional memory (PSS) in bytes; None without permission to see it."""
    weights = memory_by_process(keeper)
    return None if weights is None else sum(weights.values())


def memory_by_process(keeper: int) -> dict[int, int] | None:
    """Return the proportional memory (PSS) of each process in bytes; None without permission to see it."""
    found = {}
    for pid in members(keeper):
        with suppress(*_GONE):
            own = details(pid).proportional_memory
            if own is None and tasks(pid):  # a zombie has no memory either
                return None
            found[pid] = own or 0
    return found


def _cpu_seconds(pid: int, *, own: bool = True) -> float:
    """Return CPU seconds of a process and of the children it waited for; with ``own`` false, of those children only."""
    with suppress(*_GONE):
        fields = read_file(f"/proc/{pid}/stat").rpartition(b")")[2].split()
        return sum(map(int, fields[11 if own else 13 : 15])) / _TICK
    return 0.0


def _counts(pids: Iterable[int]) -> Iterator[tuple[int, int, int, bool]]:
    """Yield each task's id, context switches, nanoseconds on a core, and whether it ignores SIGCHLD."""
    for pid in pids:
        for tid in tasks(pid):
            with suppress(*_GONE):
                status = read_file(f"/proc/{pid}/task/{tid}/status")
                running = int(read_file(f"/proc/{pid}/task/{tid}/schedstat").split()[0])
                ignored = _IGNORED.search(status)
                forgets = bool(ignored and int(ignored[1], 16) >> (signal.SIGCHLD - 1) & 1)
                yield tid, sum(map(int, _SWITCHES.findall(status))), running, forgets


def _descriptors(pids: Iterable[int]) -> int | None:
    try:
        return sum(len(os.listdir(f"/proc/{holder(pid)}/fd")) for pid in pids)  # noqa: PTH208
    except PermissionError:
        return None
    except (FileNotFoundError, ProcessLookupError):
        return _descriptors([pid for pid in pids if tasks(pid)])

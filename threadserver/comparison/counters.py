"""What the kernel has counted for a server: CPU seconds, memory, tasks, context switches, descriptors.

A server is a family of processes: all that descend from its keeper. A process that has ended takes its counts with
it, except the CPU seconds that its parent is credited with when it waits for it (cutime and cstime, proc(5)); the
keeper waits for orphans, as those of a server that forks twice. A parent that ignores SIGCHLD never waits, and the
kernel forgets what its children have used: `Sample.uncounted` says so, since a fork per connection would then look
cheaper than it is.
"""

import os
import re
import signal
import time
from collections.abc import Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass

from threadserver.kernel.calls import read_file
from threadserver.kernel.processes import details, everyone, family, tasks

FEWEST_TICKS = 5
"""Clock ticks below which a count of them is too coarse."""
_TICK = os.sysconf("SC_CLK_TCK")
_SWITCHES = re.compile(rb"^(?:non)?voluntary_ctxt_switches:\s*(\d+)", re.MULTILINE)
_IGNORED = re.compile(rb"^SigIgn:\s*([0-9a-f]+)", re.MULTILINE)
_GONE = (FileNotFoundError, ProcessLookupError, PermissionError)


@dataclass(frozen=True, slots=True)
class Sample:
    """The counts at one moment."""

    time: float
    """Of time.monotonic()."""
    cpu_seconds: float
    processes: int
    tasks: int
    """Threads of all processes, each process's first among them."""
    zombies: int
    descriptors: int | None
    """None where they may not be seen."""
    switches: dict[int, int]
    """How often each living task has gone off its core, by thread."""
    running: dict[int, int]
    """Nanoseconds for which each living task has had a core (schedstat): finer than clock ticks."""
    uncounted: bool
    """Whether CPU seconds of ended children are lost."""

    def switched_since(self, earlier: "Sample") -> int | None:
        """Count context switches since then; None when a task has ended meanwhile, and its count with it."""
        if earlier.switches.keys() - self.switches.keys():
            return None
        return sum(count - earlier.switches.get(tid, 0) for tid, count in self.switches.items())

    def cpu_since(self, earlier: "Sample") -> float | None:
        """Give CPU seconds since then: to the nanosecond, but in ticks of 10 ms where tasks have ended meanwhile.

        None where that were too few ticks to say anything.
        """
        ticks = self.cpu_seconds - earlier.cpu_seconds
        living = sum(spent - earlier.running.get(tid, 0) for tid, spent in self.running.items()) / 1e9
        rounding = (self.processes + 1) / _TICK
        if earlier.running.keys() <= self.running.keys() and self.running and ticks <= living + rounding:
            return living
        return ticks if ticks >= FEWEST_TICKS / _TICK else None


def members(keeper: int) -> list[int]:
    """Give the processes of a server, each parent before its children."""
    return family([keeper], everyone())[1:]


def sample(keeper: int) -> Sample:
    """Count once. What ends meanwhile is left out."""
    processes = everyone()
    pids = family([keeper], processes)[1:]
    alive = [pid for pid in pids if processes[pid].state != "Z"]
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
    """Sum up the proportional memory (PSS) in bytes; None where it may not be seen."""
    weights = memory_by_process(keeper)
    return None if weights is None else sum(weights.values())


def memory_by_process(keeper: int) -> dict[int, int] | None:
    """Give the proportional memory (PSS) of each process in bytes; None where it may not be seen."""
    found = {}
    for pid in members(keeper):
        with suppress(*_GONE):
            own = details(pid).proportional_memory
            if own is None and tasks(pid):  # a zombie has none, too
                return None
            found[pid] = own or 0
    return found


def _cpu_seconds(pid: int, *, own: bool = True) -> float:
    """Give CPU seconds of a process, and of those that it has waited for; with ``own`` false of these alone."""
    with suppress(*_GONE):
        fields = read_file(f"/proc/{pid}/stat").rpartition(b")")[2].split()
        return sum(map(int, fields[11 if own else 13 : 15])) / _TICK
    return 0.0


def _counts(pids: Iterable[int]) -> Iterator[tuple[int, int, int, bool]]:
    """Give of each task its number, context switches, nanoseconds on a core, and whether it forgets its children."""
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
        return sum(len(os.listdir(f"/proc/{pid}/fd")) for pid in pids)  # noqa: PTH208
    except PermissionError:
        return None
    except (FileNotFoundError, ProcessLookupError):
        return _descriptors([pid for pid in pids if tasks(pid)])

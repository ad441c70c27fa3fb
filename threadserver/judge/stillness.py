"""Will a server still do anything? The judge asks this while it waits for something that does not come.

No check may fail because a machine is slow, and none should wait for ever. So a wait ends by what the server does, not
by a clock. The wait is in vain once the server

    stands still    it has not run at all between many looks, and no task is ready to run
    has spun        it has used seconds of processor time, and has done nothing about what is awaited
    has had turns   it has woken up several times, each time without doing anything about it, and went back to sleep

A task that waits for a processor, or for its tracer, counts as running, however busy the machine is: it neither stands
still nor uses processor time. These rules miss a server whose timers are very slow; there a patience ends the wait.
"""

import os
import re
import time
from collections import Counter
from collections.abc import Callable, Iterable
from contextlib import suppress
from dataclasses import dataclass

from threadserver.judge.patience import Patience
from threadserver.kernel.calls import read_file
from threadserver.kernel.processes import tasks, waits_in_vfork

PAUSE = 0.025
"""Seconds between two looks."""
LOOKS = 60
"""Looks in a row that must show the same: the server will not move by itself."""
SPUN = 2.0
"""Seconds of processor time in which a server could have done anything that a check asks of it."""
TURNS = 4
"""How often every task that wakes up at all may wake up without doing anything about what is awaited."""
SETTLED = 2
"""Looks that must agree before a server is taken to have worked on what it was sent."""
BUSY = {b"R", b"D", b"t"}
"""States of a task that goes on by itself: running, in the kernel, stopped for a moment by its tracer (proc(5))."""
_BRIEFLY = 0.002  # seconds between two looks at a server that is expected to rest
_SETTLING = 2.0  # seconds within which a server comes to rest
_RESTLESS = 1.0  # seconds of processor time: no server needs as much for one step of a check
_OFTEN = 60  # times that a task wakes up: no server needs as many for one step of a check, not even for a crowd
_A_TURN = 0.06  # seconds of processor time, for each task that runs, in which one of them has been everywhere
_FIELDS = re.compile(
    rb"\nState:\t(\S).*\nTracerPid:\t(\d+).*\nvoluntary_ctxt_switches:\t(\d+)\nnonvoluntary_ctxt_switches:\t(\d+)",
    re.DOTALL,
)
_TICK = 1 / os.sysconf("SC_CLK_TCK")


@dataclass(frozen=True, slots=True)
class _Seen:
    """What /proc/PID/task/TID shows of one task."""

    state: bytes
    woken: int
    preempted: int
    processor: float
    traced: bool
    """True while it is traced. A tracer wakes it up and slows it down, so its behaviour then proves nothing."""


Picture = dict[int, _Seen]


class Stillness:
    """Repeated looks at the tasks of a server's processes."""

    def __init__(self, members: Callable[[], Iterable[int]], patience: Patience | None = None) -> None:
        self._members = members
        self._patience = patience or Patience()
        self._before: Picture = {}
        self._same = 0
        self.begin_again()

    def begin_again(self) -> None:
        """Forget what the server has done so far: something has moved, so there is hope again."""
        self._spent, self._quiet = 0.0, 0
        self._woken: Counter[int] = Counter()

    def look(self) -> int:
        """Look once; return how many looks in a row before this one have shown the same server at rest."""
        picture = self._picture()
        runs = any(seen.state in BUSY for seen in picture.values())
        self._same = self._same + 1 if picture == self._before and not runs else 0
        self._quiet += not runs
        for tid, now in picture.items():
            if (before := self._before.get(tid)) and not (now.traced or before.traced):
                self._spent += now.processor - before.processor
                self._woken[tid] += now.woken - before.woken
        self._before = picture
        return self._same

    @property
    def in_vain(self) -> bool:
        """True when nothing more can be expected of the server, judging by all looks since the beginning."""
        shorter = self._patience.divisor
        if self._same >= LOOKS // shorter or self._spent >= SPUN / shorter:
            return True
        return self._quiet >= LOOKS // shorter and self._has_had(TURNS)

    @property
    def rests(self) -> bool:
        """True when no task was running at the last look."""
        return not any(seen.state in BUSY for seen in self._before.values())

    def settle(self) -> None:
        """Wait until the server has done everything it has to do; one that never rests gets a few turns instead."""
        deadline = time.monotonic() + _SETTLING
        while self.look() < SETTLED:
            if self._patience.restless:
                running = sum(seen.state in BUSY for seen in self._before.values())
                if self._spent >= _A_TURN * max(running, 1) or self._has_had(SETTLED) or time.monotonic() > deadline:
                    return
            elif self._spent >= _RESTLESS or self._has_had(_OFTEN):
                self._patience.restless = True
                return
            elif time.monotonic() > deadline:
                return
            time.sleep(_BRIEFLY)

    def _has_had(self, turns: int) -> bool:
        """Return whether every task that wakes up at all has woken up ``turns`` times."""
        woken = [count for count in self._woken.values() if count]
        return bool(woken) and min(woken) >= turns

    def _picture(self) -> Picture:
        found: Picture = {}
        for pid in self._members():
            for tid in tasks(pid):
                with suppress(OSError, ValueError, IndexError):
                    found[tid] = _seen(pid, tid)
        return found


def _seen(pid: int, tid: int) -> _Seen:
    """Read a task's state, how often it was given a processor, and for how long (proc(5))."""
    found = _FIELDS.search(read_file(f"/proc/{pid}/task/{tid}/status"))
    if found is None:
        raise ValueError(tid)
    times = read_file(f"/proc/{pid}/task/{tid}/stat").rpartition(b")")[2].split()
    return _Seen(
        state=b"S" if found[1] == b"D" and waits_in_vfork(tid) else found[1],
        traced=found[2] != b"0",
        woken=int(found[3]),
        preempted=int(found[4]),
        processor=(int(times[11]) + int(times[12])) * _TICK,
    )

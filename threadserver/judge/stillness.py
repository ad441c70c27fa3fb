"""Has a server come to rest? Asked while something is awaited that does not come.

No check may fail because a machine was slow, and none should wait for ever. A server that has not run at all between
many looks, and of which no task is ready to run, will do nothing more by itself: so the judge need not wait any
longer. A task that waits for a processor, or for its tracer, counts as running, however busy the machine is. A server
with timers (a poll with a time-out) never rests in this sense, and is given the whole, generous patience.
"""

import time
from collections.abc import Callable, Iterable
from contextlib import suppress

from threadserver.kernel.calls import read_file
from threadserver.kernel.processes import tasks

PAUSE = 0.025
"""Seconds between two looks."""
LOOKS = 60
"""So many looks in a row must show the same: the server will not move by itself."""
_BRIEFLY = 0.002  # seconds between two looks at a server that is expected to rest
BUSY = {b"R", b"D", b"t"}
"""States of a task that goes on by itself: running, in the kernel, stopped for a moment by who traces it (proc(5))."""
SETTLED = 2
"""So many must agree before a server is taken to have worked on what it was sent."""

Picture = dict[int, tuple[bytes, ...]]


class Stillness:
    """Looks at the tasks of a server's processes, again and again."""

    def __init__(self, members: Callable[[], Iterable[int]]) -> None:
        self._members = members
        self._before: Picture | None = None
        self._same = 0

    def look(self) -> int:
        """Look once; give how many looks in a row, this one left out, have shown the same server at rest."""
        picture = self._picture()
        resting = picture == self._before and not any(state in BUSY for state, *_ in picture.values())
        self._same = self._same + 1 if resting else 0
        self._before = picture
        return self._same

    def settle(self, seconds: float = 2.0) -> None:
        """Wait until the server has done what there was to do; one that never rests is taken as it is."""
        deadline = time.monotonic() + seconds
        while self.look() < SETTLED and time.monotonic() < deadline:
            time.sleep(_BRIEFLY)

    def _picture(self) -> Picture:
        found: Picture = {}
        for pid in self._members():
            for tid in tasks(pid):
                with suppress(OSError, ValueError):
                    found[tid] = _state(pid, tid)
        return found


def _state(pid: int, tid: int) -> tuple[bytes, ...]:
    """Read a task's state and how often it has been given a processor (proc(5), /proc/PID/task/TID/status)."""
    lines = read_file(f"/proc/{pid}/task/{tid}/status").splitlines()
    fields = dict(line.split(b":", 1) for line in lines if b":" in line)
    return (
        fields[b"State"].split()[0],
        fields.get(b"voluntary_ctxt_switches", b"").strip(),
        fields.get(b"nonvoluntary_ctxt_switches", b"").strip(),
    )

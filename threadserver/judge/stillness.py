"""Has a server come to rest? The judge asks this while it waits for something that does not come.

No check may fail because a machine is slow, and none should wait forever. A server that has not run at all between many
looks, with no task ready to run, will do nothing more by itself: so the judge can stop waiting. A task that waits for a
processor, or for its tracer, counts as running, however busy the machine is. A server with timers (a poll with a
time-out) never rests in this sense, and gets the whole, generous patience.
"""

import time
from collections.abc import Callable, Iterable
from contextlib import suppress

from threadserver.kernel.calls import read_file
from threadserver.kernel.processes import tasks

PAUSE = 0.025
"""Seconds between two looks."""
LOOKS = 60
"""Looks in a row that must show the same before the server counts as unable to move by itself."""
_BRIEFLY = 0.002  # seconds between two looks at a server that is expected to rest
BUSY = {b"R", b"D", b"t"}
"""States of a task that goes on by itself: running, in the kernel, stopped briefly by its tracer (proc(5))."""
SETTLED = 2
"""Looks in a row that must show the same before the server counts as done with what it was sent."""

Picture = dict[int, tuple[bytes, ...]]


class Stillness:
    """Repeated looks at the tasks of a server's processes."""

    def __init__(self, members: Callable[[], Iterable[int]]) -> None:
        self._members = members
        self._before: Picture | None = None
        self._same = 0

    def look(self) -> int:
        """Look once. Return how many earlier looks in a row have shown the same server at rest."""
        picture = self._picture()
        resting = picture == self._before and not any(state in BUSY for state, *_ in picture.values())
        self._same = self._same + 1 if resting else 0
        self._before = picture
        return self._same

    def settle(self, seconds: float = 2.0) -> None:
        """Wait until the server has done what there was to do, or at most ``seconds`` for one that never rests."""
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
    """Read a task's state and how often it has got a processor (proc(5), /proc/PID/task/TID/status)."""
    lines = read_file(f"/proc/{pid}/task/{tid}/status").splitlines()
    fields = dict(line.split(b":", 1) for line in lines if b":" in line)
    return (
        fields[b"State"].split()[0],
        fields.get(b"voluntary_ctxt_switches", b"").strip(),
        fields.get(b"nonvoluntary_ctxt_switches", b"").strip(),
    )

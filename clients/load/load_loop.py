"""A load is a loop over connections: start, warm up, measure, and wait for the last answers.

::

    start ─── warm up ───▶ begin ─────── measure ───────▶ end ─── the answers still due ───▶ give up, at the latest

Throughput counts the answers between begin and end. Latencies belong to the requests of that time, even if their
answers come later: otherwise a server that stalls at the end would hide its stall.
"""

import time
from abc import abstractmethod
from collections import Counter
from contextlib import suppress
from pathlib import Path
from time import perf_counter_ns
from typing import Any, NamedTuple

from threadserver.clients.load import error_kinds
from threadserver.clients.load.buckets import Buckets
from threadserver.clients.load.connections import TICK, Connections, StoppedError


class Times(NamedTuple):
    """When each phase begins, in nanoseconds of the monotonic clock, which all processes share: clock_gettime(2)."""

    start: int
    begin: int
    end: int
    give_up: int

    def delayed(self, nanoseconds: int) -> "Times":
        """Move all times but the start back, if the loop is late."""
        late = max(0, nanoseconds)
        return Times(self.start, self.begin + late, self.end + late, self.give_up + late)


class Loop(Connections):
    """Connections, and the order in which requests go out over them."""

    measured_from = 0
    """When the measured time begins."""
    meter: "Meter | None" = None
    """The counts of the measured time; None before it begins."""
    lateness: Buckets | None = None
    """Open loop: how late requests were sent through the fault of the generator alone."""

    def __init__(self, *arguments: Any) -> None:  # noqa: ANN401
        super().__init__(*arguments)
        self.due_in_time = self.unanswered = 0
        """Open loop: the number of requests due in the measured time, and of those that were never answered."""
        self.kept = 0
        """Number of connections that lasted, and were answered, to the end."""
        self.warm_up_errors: Counter[str] = Counter()
        """Errors between the start and the measured time."""

    def run(self, times: Times) -> None:
        """Send requests until the end, then wait for the answers due. Raises StoppedError when it must end earlier."""
        while (left := times.start - perf_counter_ns()) > 0:
            self.poll_once(left / 1e9)
        self.asking = True
        connecting = self.errors.copy()
        self.start(times.start)
        if not self.open:
            raise StoppedError
        times = times.delayed(perf_counter_ns() - times.begin)  # asking on ten thousand connections takes a moment
        self.measured_from = times.begin
        self.drive(times.begin)
        self.warm_up_errors, self.errors = self.errors - connecting, connecting
        self.meter = Meter(self)
        times = times.delayed(self.meter.began - times.begin)  # another task may have had the core
        self.measured_from = times.begin
        try:
            self.drive(times.end)
        except StoppedError:
            self.interrupted(perf_counter_ns())
            raise
        finally:
            self.meter.stop()
            self.asking = False
        if not self.open:  # in open loop the time goes on without connections
            self.meter.nanoseconds = max(self.meter.nanoseconds, times.end - times.begin)
        self.drain(times.give_up)

    @abstractmethod
    def start(self, now: int) -> None:
        """Send the first requests."""

    @abstractmethod
    def drive(self, until: int) -> None:
        """Send requests and take answers until ``until``."""

    def interrupted(self, now: int) -> None:
        """Conclude before the end of the measured time."""

    def drain(self, give_up: int) -> None:
        """Take the answers that are still due, until ``give_up``; count those that did not come."""
        self.wait(give_up)
        self.errors[error_kinds.TIMEOUT] += self.owed
        self.kept = len(self.open) - self.owed

    def wait(self, give_up: int) -> None:
        """Take the answers that are still due, until ``give_up``."""
        while self.owed and perf_counter_ns() < give_up:
            self.poll_once(TICK)

    def answer_counts(self) -> list[int]:
        """Return the number of right answers so far, for each connection."""
        return [self.answered[fd] for fd in sorted(self.made)]


class Meter:
    """Counts between begin and end: answers, and the processor time of this process."""

    def __init__(self, loop: Loop) -> None:
        loop.latencies.clear()
        self._loop = loop
        self._counts_before = loop.answer_counts()
        self._waited = _waited()
        self._cpu = time.process_time_ns()
        self.began = perf_counter_ns()

    def stop(self) -> None:
        """Read all meters again."""
        self.nanoseconds = perf_counter_ns() - self.began
        self.cpu = time.process_time_ns() - self._cpu
        self.waited = _waited() - self._waited
        self.answered = [now - then for now, then in zip(self._loop.answer_counts(), self._counts_before, strict=True)]

    def as_dict(self) -> dict[str, Any]:
        """Return the counts, for the report; times are in nanoseconds."""
        return {"nanoseconds": self.nanoseconds, "cpu": self.cpu, "waited": self.waited, "answered": self.answered}


def _waited() -> int:
    """Return the nanoseconds that this thread waited for a core: the second number of /proc/self/schedstat."""
    with suppress(OSError):
        return int(Path("/proc/self/schedstat").read_text().split()[1])
    return 0

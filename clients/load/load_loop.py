"""A load is a loop over connections: it is started, warmed up, measured, and waited for.

::

    start ─── warm up ───▶ begin ─────── measure ───────▶ end ─── the answers still owed ───▶ give up, at the latest

Throughput is what is answered between begin and end. Latencies are those of the requests of that time, also when their
answers come later: else a server that stalls at the end would hide its stall.
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
    """When what begins, in nanoseconds of the monotonic clock, which all processes share: clock_gettime(2)."""

    start: int
    begin: int
    end: int
    give_up: int

    def delayed(self, nanoseconds: int) -> "Times":
        """Move all but the start, if they are late by so much."""
        late = max(0, nanoseconds)
        return Times(self.start, self.begin + late, self.end + late, self.give_up + late)


class Loop(Connections):
    """Connections, and a way to ask over them."""

    measured_from = 0
    """When the measured time begins."""
    meter: "Meter | None" = None
    """What was read there; None until it has begun."""
    lateness: Buckets | None = None
    """Open loop: how late requests were sent though nothing but the loop itself was in the way."""

    def __init__(self, *arguments: Any) -> None:  # noqa: ANN401
        super().__init__(*arguments)
        self.due_in_time = self.unanswered = 0
        """Open loop: how many requests were due in the measured time, and how many of them were never answered."""
        self.kept = 0
        """How many connections were there, and answered, to the end."""
        self.warm_up_errors: Counter[str] = Counter()
        """What went wrong between the start and the measured time."""

    def run(self, times: Times) -> None:
        """Ask until the end, then wait for what is owed. Raises StoppedError when it is ended before."""
        while (left := times.start - perf_counter_ns()) > 0:
            self.poll_once(left / 1e9)
        self.asking = True
        connecting = self.errors.copy()
        self.start(times.start)
        if not self.open:
            raise StoppedError
        times = times.delayed(perf_counter_ns() - times.begin)  # to ask on ten thousand connections takes a moment
        self.measured_from = times.begin
        self.drive(times.begin)
        self.warm_up_errors, self.errors = self.errors - connecting, connecting
        self.meter = Meter(self)
        times = times.delayed(self.meter.began - times.begin)  # somebody else may have had the core
        self.measured_from = times.begin
        try:
            self.drive(times.end)
        except StoppedError:
            self.interrupted(perf_counter_ns())
            raise
        finally:
            self.meter.stop()
            self.asking = False
        if not self.open:  # in open loop the time goes on when nobody is left
            self.meter.nanoseconds = max(self.meter.nanoseconds, times.end - times.begin)
        self.drain(times.give_up)

    @abstractmethod
    def start(self, now: int) -> None:
        """Ask the first requests."""

    @abstractmethod
    def drive(self, until: int) -> None:
        """Ask and take answers until then."""

    def interrupted(self, now: int) -> None:
        """Come to an end before the time."""

    def drain(self, give_up: int) -> None:
        """Take the answers that are owed, until then; count those that have not come."""
        self.wait(give_up)
        self.errors[error_kinds.TIMEOUT] += self.owed
        self.kept = len(self.open) - self.owed

    def wait(self, give_up: int) -> None:
        """Take the answers that are owed, until then."""
        while self.owed and perf_counter_ns() < give_up:
            self.poll_once(TICK)

    def answer_counts(self) -> list[int]:
        """Tell how many right answers came so far, for each connection."""
        return [self.answered[fd] for fd in sorted(self.made)]


class Meter:
    """What happens between begin and end: answers, and the processor time of this process."""

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
        """Give what was read, for the report; times are in nanoseconds."""
        return {"nanoseconds": self.nanoseconds, "cpu": self.cpu, "waited": self.waited, "answered": self.answered}


def _waited() -> int:
    """Nanoseconds for which this thread could have run but had no core: the second number of /proc/self/schedstat."""
    with suppress(OSError):
        return int(Path("/proc/self/schedstat").read_text().split()[1])
    return 0

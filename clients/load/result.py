"""The result of a load: what was answered, how soon, what went wrong, and whether the generator was the limit."""

from collections import Counter
from dataclasses import asdict, dataclass, field
from typing import Any

from threadserver.clients.load.error_kinds import EARLY, ERROR_LINE, WRONG
from threadserver.clients.load.latency import Latency
from threadserver.clients.load.plan import Plan
from threadserver.clients.load.workloads import SERVICE

SCHEMA = "threadserver-load/1"

BUSY = 0.9
"""From this share of the time on, a busy generating process counts as the bottleneck."""
LATE = 0.001
"""Open loop: the generator is too late if it sends one request in a hundred later than this, in seconds."""
_OTHERS = {EARLY, ERROR_LINE, WRONG}
"""Errors of a server that does not know the service."""


@dataclass(frozen=True)
class Share:
    """One generating process's use of the processor in the measured time."""

    cpu_seconds: float
    cpu_share: float
    """CPU seconds per second: 1.0 is one whole core."""
    waiting_share: float
    """Seconds per second in which it wanted to run and another task had the core (/proc/self/schedstat)."""

    @property
    def busy(self) -> float:
        """Seconds per second in which it did not wait for the server."""
        return self.cpu_share + self.waiting_share


@dataclass(frozen=True)
class Slow:
    """Figures of the slow clients of the workload `slow`."""

    clients: int
    connected: int
    """Slow clients that were greeted within a second, before the fast ones connected."""
    requests: int
    """A client that sends half lines: each line; a client that does not read: up to 4 MiB of lines at once."""
    latency: Latency
    """From the first byte of a request to the last of its answer, the clients' own pauses included."""
    errors: dict[str, int]

    def as_dict(self) -> dict[str, Any]:
        """Return a dictionary for JSON."""
        return {**vars(self), "latency": self.latency.as_dict()}


@dataclass(frozen=True)
class Result:
    """The result of a load. Only correct answers count as requests; everything else is in `errors`."""

    plan: Plan
    seconds: float
    """Length of the measured time: less than planned after an interrupt or, in closed loop, with no connection left."""
    requests: int
    """Right answers (for churn: connections that got one) within that time, whenever their requests were sent."""
    latency: Latency
    """From sending, or in open loop from when a request was due, to the whole answer; for churn from connecting.

    Includes requests of the measured time whose answer came later, so `latency.count` may exceed `requests`. In open
    loop it includes requests that were never answered, with the time until the generator gave up."""
    per_connection: list[int]
    """Right answers on each connection, 0 if it was never served; for churn, of each client."""
    due: int | None = None
    """Open loop: requests due within that time: each is in `latency`, or had a wrong answer."""
    unanswered: int | None = None
    """Open loop: those of them that were never answered."""
    errors: dict[str, int] = field(default_factory=dict)
    """Number of errors by kind: see `threadserver.clients.load.error_kinds`."""
    warm_up_errors: dict[str, int] = field(default_factory=dict)
    """The same for the warm-up; a connection lost then is missing in the measured time."""
    connected: int = 0
    """Connections made and greeted before measuring; for churn, the clients."""
    kept: int = 0
    """Those of them that lasted, and were answered, to the end; unknown for connections that are only held."""
    connect_failures: int = 0
    """Connections that could not be made or were not greeted."""
    shares: list[Share] = field(default_factory=list)
    """One for each generating process."""
    lateness: Latency | None = None
    """Open loop: how late requests were sent although their connection was free: the generator's own fault."""
    slow: Slow | None = None
    interrupted: bool = False
    """Whether Ctrl-C ended it early."""

    @property
    def requests_per_second(self) -> float:
        """Throughput; for churn, connections a second."""
        return self.requests / self.seconds if self.seconds else 0.0

    @property
    def fairness(self) -> float | None:
        """Jain's index over `per_connection`: 1 when all got the same, 1/n when one of n got everything.

        None without answers. R. Jain, D. Chiu, W. Hawe: A Quantitative Measure of Fairness, DEC TR-301, 1984.
        """
        squares = sum(count * count for count in self.per_connection)
        return self.requests**2 / (len(self.per_connection) * squares) if squares else None

    @property
    def cpu_seconds(self) -> float:
        """CPU seconds of the generator itself, over all its processes."""
        return sum(share.cpu_seconds for share in self.shares)

    @property
    def limited_by(self) -> str | None:
        """Why the generator itself may have been the bottleneck, in one sentence; None if it was not.

        A process is one thread. It was the bottleneck if it hardly ever waited for the server: if its processor time
        plus its wait for a core was more than `BUSY` of the measured time. In open loop it also was if it sent requests
        late although their connections were free.
        """
        busiest = max(self.shares, key=lambda share: share.busy, default=None)
        if busiest and busiest.cpu_share > BUSY:
            return f"a generating process was busy for {busiest.cpu_share:.0%} of the time; try more --processes"
        if busiest and busiest.busy > BUSY:
            return (
                f"a generating process waited for {busiest.waiting_share:.0%} of the time while another program, "
                "perhaps the server, ran on its core; pin each to a core of its own"
            )
        late = self.lateness.percentile(99) if self.lateness else None
        if late and late > LATE:
            late_by = f"{late * 1000:.1f} ms"
            return f"one request in a hundred was sent at least {late_by} late, although its connection was free"
        return None

    @property
    def limited(self) -> bool:
        """Whether the generator itself may have been the bottleneck, so that the server could do more."""
        return self.limited_by is not None

    @property
    def failure(self) -> str | None:
        """Why nothing was measured, in one line; None if something was."""
        if self.requests or self.interrupted or (self.plan.workload == "idle" and self.connected):
            return None
        found = Counter(self.errors) + Counter(self.warm_up_errors)
        if not (found or self.latency.count):
            return f"no request was due within {self.plan.seconds:g} s at {self.plan.rate:g} requests/s"
        why = ", ".join(f"{kind} ({count} time{'s' * (count != 1)})" for kind, count in sorted(found.items()))
        offered = "" if found.keys() - _OTHERS or self.plan.workload == "echo" else f"; does it offer {self._service}?"
        when = " in the measured time" if self.warm_up_errors or (self.connected and not self.seconds) else ""
        return f"no answer from {self.plan.address}{when}: {why or 'none came in time'}{offered}"

    @property
    def _service(self) -> str:
        return SERVICE[self.plan.workload]

    @property
    def flawed(self) -> bool:
        """Whether anything went wrong: a connection that failed, a request without its right answer."""
        return bool(self.errors or self.warm_up_errors or self.connect_failures or (self.slow and self.slow.errors))

    def as_dict(self) -> dict[str, Any]:
        """Return a dictionary for JSON. Times are in seconds; these are the keys of `SCHEMA`.

        ``schema``, ``plan`` (as `Plan` has it), ``seconds``, ``requests``, ``requests_per_second``, ``due`` and
        ``unanswered`` (null in closed loop), ``latency`` (as `Latency.as_dict` returns it), ``errors`` and
        ``warm_up_errors`` (number by kind), ``connected``, ``kept``, ``connect_failures``, ``fairness``,
        ``per_connection`` (``min`` and ``max``), ``generator`` (``cpu_seconds``, ``limited``, ``limited_by``, and under
        ``processes`` each one's ``cpu_seconds``, ``cpu_share``, ``waiting_share``), ``lateness`` (as ``latency``; null
        in closed loop), ``slow`` (``clients``, ``connected``, ``requests``, ``latency``, ``errors``; null for other
        workloads), ``interrupted``. A figure that was not measured is null. Keys may be added; none is removed or
        changes its meaning without a new number in ``schema``.
        """
        return {
            "schema": SCHEMA,
            "plan": self.plan.as_dict(),
            "seconds": self.seconds,
            "requests": self.requests,
            "requests_per_second": self.requests_per_second,
            "due": self.due,
            "unanswered": self.unanswered,
            "latency": self.latency.as_dict(),
            "errors": self.errors,
            "warm_up_errors": self.warm_up_errors,
            "connected": self.connected,
            "kept": self.kept,
            "connect_failures": self.connect_failures,
            "fairness": self.fairness,
            "per_connection": {"min": min(self.per_connection, default=0), "max": max(self.per_connection, default=0)},
            "generator": {
                "cpu_seconds": self.cpu_seconds,
                "limited": self.limited,
                "limited_by": self.limited_by,
                "processes": [asdict(share) for share in self.shares],
            },
            "lateness": self.lateness.as_dict() if self.lateness else None,
            "slow": self.slow.as_dict() if self.slow else None,
            "interrupted": self.interrupted,
        }

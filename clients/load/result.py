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
"""The part of the time from which on a generating process counts as the bottleneck."""
LATE = 0.001
"""Seconds by which one request in a hundred may be sent late in open loop."""
_OTHERS = {EARLY, ERROR_LINE, WRONG}
"""What a server says that does not know the service."""


@dataclass(frozen=True)
class Share:
    """What one generating process had of the processor while it measured."""

    cpu_seconds: float
    cpu_share: float
    """CPU seconds per second: 1.0 is a core that did nothing else."""
    waiting_share: float
    """Seconds per second in which it wanted to run and another task had the core (/proc/self/schedstat)."""

    @property
    def busy(self) -> float:
        """Seconds per second in which it did not wait for the server."""
        return self.cpu_share + self.waiting_share


@dataclass(frozen=True)
class Slow:
    """How the slow clients of the workload `slow` fared."""

    clients: int
    connected: int
    """How many were greeted within a second, before the fast ones came."""
    requests: int
    """For who sends half lines, lines; for who does not read, up to 4 MiB of lines each."""
    latency: Latency
    """From the first byte of a request to the last of its answer: their own dawdling included."""
    errors: dict[str, int]

    def as_dict(self) -> dict[str, Any]:
        """Give it as JSON takes it."""
        return {**vars(self), "latency": self.latency.as_dict()}


@dataclass(frozen=True)
class Result:
    """What was measured. Only right answers are requests; everything else is in `errors`."""

    plan: Plan
    seconds: float
    """How long was measured: less than planned when interrupted, or, in closed loop, when every connection was lost."""
    requests: int
    """Right answers (for churn: connections that got one) within that time, whenever they had been asked for."""
    latency: Latency
    """From sending, or in open loop from when a request was due, to the whole answer; for churn from connecting.

    Also of requests of the measured time whose answer came only after it: so `latency.count` may exceed `requests`. In
    open loop also of those that were never answered, which took at least until nobody waited any more."""
    per_connection: list[int]
    """Right answers on each connection, 0 for those that were never served; for churn, of each client."""
    due: int | None = None
    """Open loop: how many requests were due within that time: each is in `latency`, or was answered wrongly."""
    unanswered: int | None = None
    """Open loop: how many of them were never answered."""
    errors: dict[str, int] = field(default_factory=dict)
    """How many, by kind: see `threadserver.clients.load.error_kinds`."""
    warm_up_errors: dict[str, int] = field(default_factory=dict)
    """The same, of the warm-up; a connection that was lost then is not there in the measured time."""
    connected: int = 0
    """How many connections were made and greeted before measuring; for churn, the clients."""
    kept: int = 0
    """How many of them were there, and answered, to the end; of connections that are only held that is not known."""
    connect_failures: int = 0
    """How many were not."""
    shares: list[Share] = field(default_factory=list)
    """One for each generating process."""
    lateness: Latency | None = None
    """Open loop: how much later than due requests were sent although their connection was free: our own fault."""
    slow: Slow | None = None
    interrupted: bool = False
    """Whether Ctrl-C ended it early."""

    @property
    def requests_per_second(self) -> float:
        """Throughput; for churn, connections a second."""
        return self.requests / self.seconds if self.seconds else 0.0

    @property
    def fairness(self) -> float | None:
        """Jain's index over `per_connection`: 1 when all were served alike, 1/n when one had it all.

        None when nothing was answered. R. Jain, D. Chiu, W. Hawe: A Quantitative Measure of Fairness, DEC TR-301, 1984.
        """
        squares = sum(count * count for count in self.per_connection)
        return self.requests**2 / (len(self.per_connection) * squares) if squares else None

    @property
    def cpu_seconds(self) -> float:
        """CPU seconds of the generator itself, over all its processes."""
        return sum(share.cpu_seconds for share in self.shares)

    @property
    def limited_by(self) -> str | None:
        """Why the generator may itself have been the bottleneck, in one sentence; None when it was not.

        A process is one thread. It was the bottleneck when it had hardly a moment to wait for the server: when its
        processor time, and the time for which it waited for its core, were more than `BUSY` of what was measured. In
        open loop also when requests were sent late although their connections were free.
        """
        busiest = max(self.shares, key=lambda share: share.busy, default=None)
        if busiest and busiest.cpu_share > BUSY:
            return f"a generating process was busy for {busiest.cpu_share:.0%} of the time; more processes may get more"
        if busiest and busiest.busy > BUSY:
            return (
                f"a generating process waited for {busiest.waiting_share:.0%} of the time while somebody else, perhaps "
                "the server, ran on its core; pin both to cores of their own"
            )
        late = self.lateness.percentile(99) if self.lateness else None
        if late and late > LATE:
            return f"one request in a hundred was sent {late * 1000:.1f} ms late or more though its connection was free"
        return None

    @property
    def limited(self) -> bool:
        """Whether the generator may itself have been the bottleneck, so that the server could do more."""
        return self.limited_by is not None

    @property
    def failure(self) -> str | None:
        """Why nothing at all was measured, in one line; None when something was."""
        if self.requests or self.interrupted or (self.plan.workload == "idle" and self.connected):
            return None
        found = Counter(self.errors) + Counter(self.warm_up_errors)
        if not (found or self.latency.count):
            return f"nothing was asked: at {self.plan.rate:g} requests a second none was due in {self.plan.seconds:g} s"
        why = ", ".join(f"{kind} ({count} times)" for kind, count in sorted(found.items()))
        offered = "" if found.keys() - _OTHERS or self.plan.workload == "echo" else f"; does it offer {self._service}?"
        when = " in the measured time" if self.warm_up_errors or (self.connected and not self.seconds) else ""
        return f"nothing was answered by {self.plan.address}{when}: {why or 'no answer came in time'}{offered}"

    @property
    def _service(self) -> str:
        return SERVICE[self.plan.workload]

    @property
    def flawed(self) -> bool:
        """Whether anything went wrong: a connection that was not had, a request without its right answer."""
        return bool(self.errors or self.warm_up_errors or self.connect_failures or (self.slow and self.slow.errors))

    def as_dict(self) -> dict[str, Any]:
        """Give it as JSON takes it. Times are in seconds; these are the keys of `SCHEMA`.

        ``schema``, ``plan`` (as `Plan` has it), ``seconds``, ``requests``, ``requests_per_second``, ``due`` and
        ``unanswered`` (null in closed loop), ``latency`` (as `Latency.as_dict` gives it), ``errors`` and
        ``warm_up_errors`` (kind: how many), ``connected``, ``kept``, ``connect_failures``, ``fairness``,
        ``per_connection`` (``min`` and ``max``), ``generator`` (``cpu_seconds``, ``limited``, ``limited_by``, and under
        ``processes`` each one's ``cpu_seconds``, ``cpu_share``, ``waiting_share``), ``lateness`` (as ``latency``; null
        in closed loop), ``slow`` (``clients``, ``connected``, ``requests``, ``latency``, ``errors``; null but for that
        workload), ``interrupted``. What was not measured is null. More keys may come; none goes or changes its meaning
        without another number in ``schema``.
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

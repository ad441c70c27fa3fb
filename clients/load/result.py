"""The result of a load: what was answered, how soon, what went wrong, and whether the generator was the limit."""

from dataclasses import dataclass, field
from typing import Any

from clients.load.latency import Latency
from clients.load.plan import Plan

SCHEMA = "threadserver-load/1"


@dataclass(frozen=True)
class Share:
    """What one generating process had of the processor while it measured."""

    cpu_seconds: float
    cpu_share: float
    """CPU seconds per second: 1.0 is a core that did nothing else."""
    waiting_share: float
    """Seconds per second in which it wanted to run and another task had the core (/proc/self/schedstat)."""


@dataclass(frozen=True)
class Slow:
    """How the slow clients of the workload `slow` fared."""

    clients: int
    requests: int
    latency: Latency
    """From the first byte of a request to the last of its answer: their own dawdling included."""
    errors: dict[str, int]


@dataclass(frozen=True)
class Result:
    """What was measured. Only right answers are requests; everything else is in `errors`."""

    plan: Plan
    seconds: float
    """How long was measured: less than planned when it was interrupted, or every connection was lost."""
    requests: int
    """Right answers (for churn: connections that got one) within that time."""
    latency: Latency
    """From sending, or in open loop from when a request was due, to the whole answer; for churn from connecting.

    Also of requests of the measured time whose answer came only after it: so `latency.count` may exceed `requests`."""
    per_connection: list[int]
    """Right answers on each connection, 0 for those that were never served; for churn, of each client."""
    errors: dict[str, int] = field(default_factory=dict)
    """How many, by kind: see `clients.load.errors`."""
    connected: int = 0
    """How many connections were made and greeted before measuring; for churn, the clients."""
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
        raise NotImplementedError

    @property
    def fairness(self) -> float | None:
        """Jain's index over `per_connection`: 1 when all were served alike, 1/n when one had it all.

        None when nothing was answered. R. Jain, D. Chiu, W. Hawe: A Quantitative Measure of Fairness, DEC TR-301, 1984.
        """
        raise NotImplementedError

    @property
    def cpu_seconds(self) -> float:
        """CPU seconds of the generator itself, over all its processes."""
        raise NotImplementedError

    @property
    def limited_by(self) -> str | None:
        """Why the generator may itself have been the bottleneck, in one sentence; None when it was not."""
        raise NotImplementedError

    @property
    def limited(self) -> bool:
        """Whether the generator may itself have been the bottleneck, so that the server could do more."""
        return self.limited_by is not None

    @property
    def failure(self) -> str | None:
        """Why nothing at all was measured, in one line; None when something was."""
        raise NotImplementedError

    def as_dict(self) -> dict[str, Any]:
        """Give it as JSON takes it, by `SCHEMA`."""
        raise NotImplementedError

"""Latencies, as an HDR histogram of nanoseconds: what is said of them is said in seconds."""

from collections.abc import Iterable
from typing import Any


class Latency:
    """A histogram of latencies, exact to three digits from a nanosecond to an hour (http://hdrhistogram.org)."""

    @property
    def count(self) -> int:
        """How many latencies it holds."""
        raise NotImplementedError

    def percentile(self, percent: float) -> float | None:
        """Give the seconds that so many of a hundred requests did not exceed; None when it is empty."""
        raise NotImplementedError

    @property
    def max(self) -> float | None:
        """The longest, in seconds; None when it is empty."""
        raise NotImplementedError

    @property
    def mean(self) -> float | None:
        """The mean, in seconds; None when it is empty."""
        raise NotImplementedError

    def curve(self) -> list[tuple[float, float]]:
        """Give points (percent, seconds) from which the whole distribution is drawn."""
        raise NotImplementedError

    @classmethod
    def merged(cls, several: Iterable["Latency"]) -> "Latency":
        """Add several up, as those of processes or of rounds: percentiles cannot be averaged, histograms can."""
        raise NotImplementedError

    def as_dict(self) -> dict[str, Any]:
        """Give count, mean, p50, p90, p99, p99.9 and max in seconds, and under ``hdr`` the whole, encoded."""
        raise NotImplementedError

    @classmethod
    def from_dict(cls, given: dict[str, Any]) -> "Latency":
        """Read what `as_dict` wrote, to draw or merge it again."""
        raise NotImplementedError

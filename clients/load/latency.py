"""Latencies as an HDR histogram of nanoseconds; its figures are in seconds."""

from collections.abc import Iterable, Mapping
from typing import Any

from hdrh.codec import HdrCookieException, HdrLengthException
from hdrh.histogram import HdrHistogram

from threadserver.clients.load.buckets import nanoseconds

LONGEST = 3600 * 10**9
PERCENTS = (50.0, 90.0, 99.0, 99.9)


class Latency:
    """A histogram of latencies, exact to three digits from a nanosecond to an hour (http://hdrhistogram.org)."""

    def __init__(self) -> None:
        self._histogram = HdrHistogram(1, LONGEST, 3)

    @classmethod
    def of(cls, counts: Mapping[int, int]) -> "Latency":
        """Make a histogram from the counts of a generating process, `threadserver.clients.load.buckets`."""
        latency = cls()
        for value, count in nanoseconds(counts):
            latency._histogram.record_value(min(value, LONGEST), count)
        return latency

    @property
    def count(self) -> int:
        """Number of latencies."""
        return int(self._histogram.get_total_count())

    def percentile(self, percent: float) -> float | None:
        """Return the seconds that ``percent`` of the requests did not exceed; None when empty."""
        return self._histogram.get_value_at_percentile(percent) / 1e9 if self.count else None

    @property
    def max(self) -> float | None:
        """The longest latency in seconds; None when empty."""
        return self._histogram.get_max_value() / 1e9 if self.count else None

    @property
    def mean(self) -> float | None:
        """The mean in seconds; None when empty."""
        least, most = self._histogram.get_value_from_index, self._histogram.get_highest_equivalent_value
        counts = self._histogram.counts[:]  # the library's own iterators are many times slower
        doubled = sum(count * (least(index) + most(least(index))) for index, count in enumerate(counts) if count)
        return doubled / 2 / self.count / 1e9 if self.count else None

    def curve(self, points: int = 10) -> list[tuple[float, float]]:
        """Return points (percent, seconds) for drawing the distribution.

        ``points`` for each halving of the distance to 100 %, so that the tail has as many as the middle.
        """
        total, reached, gap = self.count, 0, 100.0
        curve = []
        counts = self._histogram.counts[:]
        for index, count in enumerate(counts):
            reached += count
            while count and gap > 0 and 100 * reached >= (100 - gap) * total:
                value = self._histogram.get_highest_equivalent_value(self._histogram.get_value_from_index(index))
                curve.append((100 - gap, value / 1e9))
                gap = 0.0 if reached == total else gap * (1 - 0.5 / points)
        return [*curve, (100.0, self.max)] if self.max is not None else []

    @classmethod
    def merged(cls, several: Iterable["Latency"]) -> "Latency":
        """Merge the histograms of processes or rounds: percentiles cannot be averaged, histograms can be added."""
        total = cls()
        for one in several:
            total._histogram.add(one._histogram)  # noqa: SLF001
        return total

    def as_dict(self) -> dict[str, Any]:
        """Return count, mean, p50, p90, p99, p99.9 and max in seconds, and under ``hdr`` the whole histogram.

        ``hdr`` is HdrHistogram's compressed V2 format in base64, in nanoseconds: its tools in any language read it.
        """
        percentiles = {f"p{percent:g}": self.percentile(percent) for percent in PERCENTS}
        encoded = self._histogram.encode().decode("ascii")
        return {"count": self.count, "mean": self.mean, **percentiles, "max": self.max, "hdr": encoded}

    @classmethod
    def from_dict(cls, given: Mapping[str, Any]) -> "Latency":
        """Read the output of `as_dict`, to draw or merge it again. Raises ValueError if it is not a histogram."""
        latency = cls()
        try:
            latency._histogram.decode_and_add(given["hdr"])
        except (HdrCookieException, HdrLengthException) as error:
            raise ValueError(f"not an HDR histogram: {error}") from error
        return latency

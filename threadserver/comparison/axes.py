"""Axes: where a value lies, and which values label the axis."""

from collections.abc import Sequence
from dataclasses import dataclass
from math import ceil, floor, log10
from statistics import fmean

BEYOND = 1e-6
"""Smallest share beyond a percentile: 100 % itself would lie at infinity."""


@dataclass(frozen=True, slots=True)
class Axis:
    """Maps values from ``least`` to ``most`` to pixels from ``start`` to ``end``."""

    least: float
    most: float
    start: float
    end: float
    scale: str = "linear"

    def __call__(self, value: float) -> float:
        """Return the pixel of a value; a value beyond the axis lies at its end."""
        low, high = self._at(self.least), self._at(self.most)
        part = (self._at(value) - low) / (high - low) if high > low else 0.5
        return self.start + min(max(part, 0.0), 1.0) * (self.end - self.start)

    def _at(self, value: float) -> float:
        if self.scale == "percentile":
            return -log10(max(1 - value / 100, BEYOND))
        return log10(max(value, 1e-12)) if self.scale == "log" else value


def nice(most: float, count: int) -> list[float]:
    """Return about ``count`` round values from zero to beyond ``most``."""
    if most <= 0:
        return [0.0, 1.0]
    rough = most / count
    size = 10.0 ** floor(log10(rough))
    step = next(size * factor for factor in (1, 2, 2.5, 5, 10) if size * factor >= rough)
    return [step * at for at in range(ceil(most / step - 1e-9) + 1)]


def round_bounds(least: float, most: float) -> tuple[float, float]:
    """Return the nearest of 1, 2, 5, 10, 20 … below and above a range, for a logarithmic axis."""
    steps = _steps(least, most)
    below = [step for step in steps if step <= least]
    return below[-1], next(step for step in steps if step >= most and step > below[-1])


def logarithmic(least: float, most: float) -> list[float]:
    """Return round values within bounds: powers of ten, and 2 and 5 between them if these are few."""
    steps = [step for step in _steps(least, most) if least <= step <= most]
    tens = [step for step in steps if f"{step:e}".startswith("1.0")]
    return tens if len(tens) > 3 else steps


def _steps(least: float, most: float) -> list[float]:
    powers = range(floor(log10(least)) - 1, ceil(log10(most)) + 2)
    return [factor * 10.0**power for power in powers for factor in (1, 2, 5)]


def spread(wished: Sequence[float], gap: float, least: float, most: float) -> list[float]:
    """Move positions apart until they are ``gap`` from each other, as close as possible to the wished ones. In order.

    Positions that would touch form a cluster, and each cluster lies at the average wish of its members.
    """
    gap = min(gap, (most - least) / max(len(wished) - 1, 1))
    clusters: list[list[float]] = []  # for each position: where its cluster would begin if it alone decided
    for index, wish in enumerate(wished):
        clusters.append([wish - index * gap])
        while len(clusters) > 1 and fmean(clusters[-2]) > fmean(clusters[-1]):
            last = clusters.pop()
            clusters[-1] += last
    begins = [fmean(cluster) for cluster in clusters for _ in cluster]
    room = most - gap * (len(wished) - 1)
    return [min(max(begin, least), room) + index * gap for index, begin in enumerate(begins)]

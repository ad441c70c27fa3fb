"""Medians with 95 % intervals, and how to compare two servers: the statistics behind every figure.

The bootstrap asks how much a median would move if the rounds were drawn again from the observed ones (B. Efron:
Bootstrap Methods, Annals of Statistics 7, 1979). Usually it draws at random a few thousand times. A median does not
need that: the probability of each value as the median of n draws from n values can be computed exactly (A. Hutson,
M. Ernst: The Exact Bootstrap Mean and Variance of an L-estimator, JRSS B 62, 2000), so the same rounds always give the
same interval.

A few rounds show little, and the bootstrap does not account for that: it never looks beyond the observed values. With
three rounds, even the range from the least to the greatest misses the true median in one case of four (2 · 2⁻ⁿ), so
"95 %" would be wrong. So each interval here is at least as wide as one that does hold in 95 % of cases. From six rounds
on, that is the interval between the two rounds that enclose the median of any distribution (W. Conover: Practical
Nonparametric Statistics, chapter 3.2); below six, it is Student's t, on logarithms if the values are amounts. Three
rounds then show only large differences; one or two show nothing about the variation, and their interval is unbounded.

Rounds are paired: A and B were measured in the same round, a moment apart, so a disturbance of a minute affects both.
So A is compared with B by the ratios of the rounds, not by two separate intervals.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import comb, exp, inf, log, sqrt
from statistics import mean, median, stdev

TAIL = 0.025
"""The share that a 95 % interval leaves out at each end."""
ENOUGH = 6
"""From this number of rounds on, the order of the values is enough, whatever their distribution."""
LEAST = 3
"""With fewer rounds there is no interval."""
_T = {2: 4.303, 3: 3.182, 4: 2.776}  # Student's t, 97.5 %, by degrees of freedom


@dataclass(frozen=True, slots=True)
class Estimate:
    """A median of rounds with its 95 % interval, which is unbounded for one or two rounds."""

    median: float
    low: float
    high: float
    rounds: int

    @property
    def bounded(self) -> bool:
        """Whether there were at least three rounds."""
        return self.low > -inf and self.high < inf

    def excludes(self, value: float) -> bool:
        """Tell whether the interval excludes a value."""
        return value < self.low or value > self.high


def estimate(values: Sequence[float], *, differences: bool = False) -> Estimate:
    """Return the median of rounds and its 95 % interval; ``differences`` may be negative, amounts may not.

    Raises ValueError without values.
    """
    if not values:
        raise ValueError("no round has a value")
    ordered = sorted(values)
    if len(ordered) < LEAST:
        return Estimate(median(ordered), -inf, inf, len(ordered))
    low, high = bootstrap(ordered)
    if len(ordered) < ENOUGH:
        least = student(ordered, logarithms=not differences and ordered[0] > 0)
    else:
        least = enclosing(ordered)
    low, high = min(low, least[0]), max(high, least[1])
    return Estimate(median(ordered), low if differences else max(low, 0.0), high, len(ordered))


def bootstrap(ordered: Sequence[float]) -> tuple[float, float]:
    """Return the percentile interval of the median's exact bootstrap distribution. The values must be sorted."""
    chances = _chances(ordered)
    below = 0.0
    low = high = chances[0][0]
    for value, chance in chances:
        if below < TAIL:
            low = value
        if below < 1 - TAIL:
            high = value
        below += chance
    return low, high


def _chances(ordered: Sequence[float]) -> list[tuple[float, float]]:
    """Return each possible median with its probability, least value first."""
    n = len(ordered)
    if n % 2:
        up_to = [_at_least(n // 2 + 1, n, k / n) for k in range(n + 1)]
        return [(value, up_to[k + 1] - up_to[k]) for k, value in enumerate(ordered)]
    return sorted(_even_chances(ordered))


def _even_chances(ordered: Sequence[float]) -> list[tuple[float, float]]:
    """For an even number of values the median is the mean of two: sum over the cases that they are i-th and j-th."""
    n, half = len(ordered), len(ordered) // 2
    found = []
    for i in range(n):
        lower = (((i + 1) / n) ** half - (i / n) ** half) * comb(n, half)
        at_i = _at_least(half, n, (i + 1) / n) - _at_least(half, n, i / n)
        for j in range(i + 1, n):
            chance = lower * (((n - j) / n) ** half - ((n - j - 1) / n) ** half)
            at_i -= chance
            found.append(((ordered[i] + ordered[j]) / 2, chance))
        found.append((ordered[i], at_i))
    return found


def _at_least(successes: int, tries: int, chance: float) -> float:
    """Return the probability of at least ``successes``."""
    return sum(comb(tries, k) * chance**k * (1 - chance) ** (tries - k) for k in range(successes, tries + 1))


def enclosing(ordered: Sequence[float]) -> tuple[float, float]:
    """Return the narrowest pair of values that encloses the median in 95 % of cases: of six or more, sorted."""
    n = len(ordered)
    outside = 0
    while sum(comb(n, k) for k in range(outside + 2)) / 2**n <= TAIL:
        outside += 1
    return ordered[outside], ordered[n - 1 - outside]


def student(values: Sequence[float], *, logarithms: bool) -> tuple[float, float]:
    """Return Student's 95 % interval of three to five values."""
    seen = [log(value) for value in values] if logarithms else list(values)
    reach = _T[len(seen) - 1] * stdev(seen) / sqrt(len(seen))
    low, high = mean(seen) - reach, mean(seen) + reach
    return (_exp(low), _exp(high)) if logarithms else (low, high)


def _exp(value: float) -> float:
    return exp(min(value, 700.0))


def paired(one: Mapping[int, float], other: Mapping[int, float]) -> Estimate | None:
    """Return the ratio one/other over common rounds, or None without any. Both map rounds to amounts."""
    both = sorted(one.keys() & other.keys())
    ratios = [one[number] / other[number] for number in both if other[number] > 0 and one[number] > 0]
    return estimate(ratios) if ratios else None


def paired_difference(one: Mapping[int, float], other: Mapping[int, float]) -> Estimate | None:
    """Return the difference one - other over common rounds, or None without any."""
    both = sorted(one.keys() & other.keys())
    return estimate([one[number] - other[number] for number in both], differences=True) if both else None

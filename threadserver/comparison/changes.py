"""What has changed since another comparison: cell by cell, for each server in both.

The two were not measured side by side, so their rounds are not paired. A change is claimed only if the two 95 %
intervals do not overlap, which is stricter than necessary. Changes of the machine, the kernel and the interpreter are
reported too.
"""

from collections.abc import Iterator
from dataclasses import dataclass

from threadserver.comparison.cells import Cell
from threadserver.comparison.comparison_notes import interpreter
from threadserver.comparison.intervals import Estimate
from threadserver.comparison.number_format import amount, interval, times
from threadserver.comparison.results import Results
from threadserver.comparison.summary import FIGURES, Summary

COMPARED = ("throughput", "p50", "p99", "cpu", "memory", "tasks")


@dataclass(frozen=True, slots=True)
class Change:
    """One figure of one contestant in one cell, before and after."""

    contestant: str
    cell: Cell
    figure: str
    before: Estimate
    after: Estimate

    @property
    def has_intervals(self) -> bool:
        """Whether both comparisons have enough rounds for an interval."""
        return self.before.bounded and self.after.bounded

    @property
    def claimed(self) -> bool:
        """Whether the two intervals do not overlap."""
        if not self.has_intervals:
            return False
        return self.before.high < self.after.low or self.after.high < self.before.low

    def __str__(self) -> str:
        unit = FIGURES[self.figure].unit
        more = self.after.median > self.before.median
        ratio = max(self.after.median, self.before.median) / min(self.after.median, self.before.median)
        return (
            f"{self.contestant}, {self.cell}: {FIGURES[self.figure].title} {'up' if more else 'down'} from "
            f"{amount(self.before.median, unit)} ({interval(self.before, unit)}) to {amount(self.after.median, unit)} "
            f"({interval(self.after, unit)}), {times(ratio)}"
        )


def changes(before: Summary, after: Summary) -> list[Change]:
    """Return every figure that both comparisons have."""
    found = []
    for cell in after.cells:
        for name in after.results.names:
            for figure in COMPARED:
                then, now = before.estimate(figure, name, cell), after.estimate(figure, name, cell)
                if then and now and then.median > 0 and now.median > 0:
                    found.append(Change(name, cell, figure, then, now))
    return found


def describe_changes(before: Summary, after: Summary) -> Iterator[str]:
    """Yield what has changed, line by line."""
    yield from (f"different {line}" for line in _circumstances(before.results, after.results))
    both = changes(before, after)
    claimed = [change for change in both if change.claimed]
    yield from map(str, claimed)
    for cell in after.cells:
        for name in after.results.names:
            yield from _outcome(before, after, name, cell)
    judged = [change for change in both if change.has_intervals]
    if not both:
        yield "no server was measured under the same load in both comparisons"
    elif not judged:
        yield "too few rounds to judge differences"
    else:
        figures = "1 figure" if len(judged) == 1 else f"{len(judged)} figures"
        yield f"no clear difference in {len(judged) - len(claimed)} of {figures}"


def _outcome(before: Summary, after: Summary, name: str, cell: Cell) -> Iterator[str]:
    if not (before.runs(name, cell) and after.runs(name, cell)):
        return
    then, now = (one.fault(name, cell) for one in (before, after))
    words = [fault.outcome if fault else "measured" for fault in (then, now)]
    if words[0] != words[1]:
        yield f"{name}, {cell}: was {words[0]!r}, is {words[1]!r}"


def _circumstances(before: Results, after: Results) -> Iterator[str]:
    for what in ("processor", "cores", "kernel"):
        if before.machine[what] != after.machine[what]:
            yield f"{what}: {before.machine[what]}, now {after.machine[what]}"
    if interpreter(before) != interpreter(after):
        yield f"interpreter: {interpreter(before)}, now {interpreter(after)}"
    if before.pace != after.pace:
        yield f"seconds of each run: {before.pace['seconds']:g}, now {after.pace['seconds']:g}"

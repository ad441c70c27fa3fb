"""What the rounds amount to: the estimate of each figure of each contestant, and who may be said to be better.

A claim needs a paired ratio whose interval leaves 1 out (`intervals`). It is not made either where the load generator
was the limit of the one that is behind: that one might do more.
"""

from collections.abc import Callable
from dataclasses import dataclass
from statistics import median
from typing import Any

from threadserver.clients.load import Latency
from threadserver.comparison.cells import MILLISECONDS, Cell
from threadserver.comparison.intervals import Estimate, estimate, paired
from threadserver.comparison.results import Results, Run


@dataclass(frozen=True, slots=True)
class Figure:
    """One thing that is measured of every run."""

    title: str
    unit: str
    """requests/s, seconds, bytes or "" for a plain number."""
    of: Callable[[Run], float | None]
    more_is_better: bool = False


def _load(*path: str) -> Callable[[Run], float | None]:
    def read(run: Run) -> float | None:
        value: Any = run.load
        for name in path:
            value = value.get(name) if value else None
        return None if value is None else float(value)

    return read


def _server(name: str) -> Callable[[Run], float | None]:
    return lambda run: None if run.server is None else getattr(run.server, name)


def _memory(run: Run) -> float | None:
    return run.memory.each if run.memory else None


def _overlap(run: Run) -> float | None:
    """How many requests were worked on at a time: Little's law, with the time that each needs at least."""
    rate = _load("requests_per_second")(run)
    return None if rate is None else rate * MILLISECONDS.get(run.cell.workload, 0) / 1000


FIGURES = {
    "throughput": Figure("requests a second", "requests/s", _load("requests_per_second"), more_is_better=True),
    "p50": Figure("latency, median", "seconds", _load("latency", "p50")),
    "p99": Figure("latency, 99 %", "seconds", _load("latency", "p99")),
    "p99.9": Figure("latency, 99.9 %", "seconds", _load("latency", "p99.9")),
    "max": Figure("longest latency", "seconds", _load("latency", "max")),
    "cpu": Figure("CPU time a request", "seconds", _server("cpu_per_request")),
    "memory": Figure("memory a connection", "bytes", _memory),
    "tasks": Figure("tasks", "", _server("tasks")),
    "switches": Figure("context switches a request", "", _server("switches_per_request")),
    "fairness": Figure("fairness (Jain)", "", _load("fairness"), more_is_better=True),
    "overlap": Figure("requests at a time", "", _overlap, more_is_better=True),
}


@dataclass(frozen=True, slots=True)
class Verdict:
    """What may be said of two contestants in one figure."""

    ratio: Estimate
    """The first's figure over the second's."""
    word: str
    """``more``, ``less``, or why nothing is claimed."""

    @property
    def claims(self) -> bool:
        """Whether a difference is claimed."""
        return self.word in ("more", "less")


NO_DIFFERENCE = "no difference seen"
TOO_FEW = "too few rounds"
LIMITED = "the generator was the limit"
NOT_WELL = "not all went well"
FAIR = ("measured", "overrun")
"""Outcomes of one who is right, be it not quick enough."""


class Summary:
    """Answers questions about results."""

    def __init__(self, results: Results) -> None:
        self.results = results
        self._latencies: dict[tuple[str, Cell], Latency] = {}
        self._runs: dict[tuple[str, Cell], list[Run]] = {}
        for run in results.runs:
            self._runs.setdefault((run.contestant, run.cell), []).append(run)

    @property
    def cells(self) -> list[Cell]:
        """The cells in which anything was measured."""
        measured = {cell for _, cell in self._runs}
        return [cell for cell in self.results.cells if cell in measured]

    def runs(self, name: str, cell: Cell) -> list[Run]:
        """Give the runs of a contestant in a cell."""
        return self._runs.get((name, cell), [])

    def values(self, figure: str, name: str, cell: Cell) -> dict[int, float]:
        """Give a figure round by round: of the rounds that count."""
        found = {run.number: FIGURES[figure].of(run) for run in self.runs(name, cell) if run.counted}
        return {number: value for number, value in found.items() if value is not None}

    def estimate(self, figure: str, name: str, cell: Cell) -> Estimate | None:
        """Give a figure with its interval; None where no round has it."""
        values = self.values(figure, name, cell)
        return estimate(list(values.values())) if values else None

    def latency(self, name: str, cell: Cell) -> Latency:
        """Give the latencies of a contestant in a cell, of all rounds that count together."""
        if (name, cell) not in self._latencies:
            loads = [run.load["latency"] for run in self.runs(name, cell) if run.counted and run.load]
            self._latencies[name, cell] = Latency.merged(Latency.from_dict(one) for one in loads if one["count"])
        return self._latencies[name, cell]

    def extremes(self, name: str, cell: Cell) -> tuple[float, float]:
        """Give how many answers the connection got that got least, and the one that got most; medians of the rounds."""
        loads = [run.load["per_connection"] for run in self.runs(name, cell) if run.counted and run.load]
        return median(one["min"] for one in loads), median(one["max"] for one in loads)

    def ranking(self, figure: str, cell: Cell) -> list[tuple[str, Estimate]]:
        """Give all who have the figure, best first."""
        found = [(name, self.estimate(figure, name, cell)) for name in self.results.names]
        sign = -1 if FIGURES[figure].more_is_better else 1
        return sorted(((n, e) for n, e in found if e is not None), key=lambda one: sign * one[1].median)

    def faultless(self, figure: str, cell: Cell) -> list[tuple[str, Estimate]]:
        """Give the ranking of those with whom nothing went wrong."""
        return [(name, found) for name, found in self.ranking(figure, cell) if not self.has_fault(name, cell)]

    def has_fault(self, name: str, cell: Cell) -> bool:
        """Whether anything went wrong in any round: what was measured beside that is no fair comparison."""
        return any(run.outcome not in FAIR for run in self.runs(name, cell))

    def compare(self, figure: str, one: str, other: str, cell: Cell) -> Verdict | None:
        """Say whether a contestant has more or less of a figure than another; None where they share no round."""
        ratio = paired(self.values(figure, one, cell), self.values(figure, other, cell))
        if ratio is None:
            return None
        if self.has_fault(one, cell) or self.has_fault(other, cell):
            return Verdict(ratio, NOT_WELL)
        if not ratio.bounded:
            return Verdict(ratio, TOO_FEW)
        if not ratio.excludes(1):
            return Verdict(ratio, NO_DIFFERENCE)
        behind = other if ratio.low > 1 else one
        if figure == "throughput" and self.limited(behind, cell):
            return Verdict(ratio, LIMITED)
        return Verdict(ratio, "more" if ratio.low > 1 else "less")

    def limited(self, name: str, cell: Cell) -> str | None:
        """Say why the generator may have been the limit of a contestant, if it was in any round that counts."""
        found = [run.load["generator"]["limited_by"] for run in self.runs(name, cell) if run.counted and run.load]
        return next(filter(None, found), None)

    def uncounted(self, name: str) -> bool:
        """Whether the kernel forgets what a contestant's ended children have used."""
        return any(run.server and run.server.uncounted for run in self.results.runs if run.contestant == name)

    def fault(self, name: str, cell: Cell) -> Run | None:
        """Give the worst run of a contestant in a cell: one that does not count, else one that is not all well."""
        troubled = [run for run in self.runs(name, cell) if run.outcome != "measured"]
        return next((run for run in troubled if not run.counted), troubled[0] if troubled else None)

    def word(self, name: str, cell: Cell) -> str:
        """Say what went wrong, if anything did, and in how many rounds unless in all: ``hung in 1 of 3``."""
        fault, runs = self.fault(name, cell), self.runs(name, cell)
        if fault is None:
            return ""
        count = sum(run.outcome == fault.outcome for run in runs)
        return fault.outcome + ("" if count == len(runs) else f" in {count} of {len(runs)}")

    def faults(self) -> list[Run]:
        """Give what went wrong, once for each contestant and cell."""
        found = (self.fault(name, cell) for name in self.results.names for cell in self.cells)
        return [run for run in found if run is not None]

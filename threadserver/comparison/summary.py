"""The rounds in summary: an estimate of each figure of each contestant, and which differences may be claimed.

A claim needs a paired ratio whose interval excludes 1 (`intervals`). No claim is made if the load generator limited the
slower contestant, because that one might do more.
"""

from collections.abc import Callable
from dataclasses import dataclass
from statistics import median

from threadserver.clients.load import Latency
from threadserver.comparison.cells import MILLISECONDS, Cell
from threadserver.comparison.intervals import Estimate, estimate, paired
from threadserver.comparison.results import Results, Run


@dataclass(frozen=True, slots=True)
class Figure:
    """One figure that every run has."""

    title: str
    unit: str
    """requests/s, seconds, bytes, or "" for a plain number."""
    of: Callable[[Run], float | None]
    more_is_better: bool = False


def _load(*path: str) -> Callable[[Run], float | None]:
    def read(run: Run) -> float | None:
        value = run.loaded(*path)
        return None if value is None else float(value)

    return read


def _server(name: str) -> Callable[[Run], float | None]:
    return lambda run: None if run.server is None else getattr(run.server, name)


def _memory(run: Run) -> float | None:
    return run.memory.each if run.memory else None


def _overlap(run: Run) -> float | None:
    """Return the requests in progress at once: Little's law, with the least time that each needs."""
    rate = _load("requests_per_second")(run)
    return None if rate is None else rate * MILLISECONDS.get(run.cell.workload, 0) / 1000


FIGURES = {
    "throughput": Figure("requests per second", "requests/s", _load("requests_per_second"), more_is_better=True),
    "p50": Figure("latency, median", "seconds", _load("latency", "p50")),
    "p99": Figure("latency, 99 %", "seconds", _load("latency", "p99")),
    "p99.9": Figure("latency, 99.9 %", "seconds", _load("latency", "p99.9")),
    "max": Figure("longest latency", "seconds", _load("latency", "max")),
    "cpu": Figure("CPU time per request", "seconds", _server("cpu_per_request")),
    "memory": Figure("memory per connection", "bytes", _memory),
    "tasks": Figure("tasks", "", _server("tasks")),
    "switches": Figure("context switches per request", "", _server("switches_per_request")),
    "fairness": Figure("fairness (Jain)", "", _load("fairness"), more_is_better=True),
    "overlap": Figure("requests at once", "", _overlap, more_is_better=True),
}


@dataclass(frozen=True, slots=True)
class Verdict:
    """What the rounds say about two contestants in one figure."""

    ratio: Estimate
    """The first contestant's figure divided by the second's."""
    word: str
    """``more``, ``less``, or why nothing is claimed."""

    @property
    def claims(self) -> bool:
        """Whether a difference is claimed."""
        return self.word in ("more", "less")


NO_DIFFERENCE = "no clear difference"
TOO_FEW = "too few rounds"
LIMITED = "the generator was the bottleneck"
NOT_WELL = "there were faults"
FAIR = ("measured", "overrun")
"""Outcomes of a correct server, even if it is not fast enough."""


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
        """The cells that have runs."""
        measured = {cell for _, cell in self._runs}
        return [cell for cell in self.results.cells if cell in measured]

    def runs(self, name: str, cell: Cell) -> list[Run]:
        """Return the runs of a contestant in a cell."""
        return self._runs.get((name, cell), [])

    def values(self, figure: str, name: str, cell: Cell) -> dict[int, float]:
        """Return a figure for each round that counts."""
        found = {run.number: FIGURES[figure].of(run) for run in self.runs(name, cell) if run.counted}
        return {number: value for number, value in found.items() if value is not None}

    def estimate(self, figure: str, name: str, cell: Cell) -> Estimate | None:
        """Return a figure with its interval; None if no round has it."""
        values = self.values(figure, name, cell)
        return estimate(list(values.values())) if values else None

    def latency(self, name: str, cell: Cell) -> Latency:
        """Return the latencies of a contestant in a cell, over all rounds that count."""
        if (name, cell) not in self._latencies:
            loads = [run.load["latency"] for run in self.runs(name, cell) if run.counted and run.load]
            self._latencies[name, cell] = Latency.merged(Latency.from_dict(one) for one in loads if one["count"])
        return self._latencies[name, cell]

    def extremes(self, name: str, cell: Cell) -> tuple[float, float]:
        """Return the least and the most answers that a connection got, as medians of the rounds."""
        loads = [run.load["per_connection"] for run in self.runs(name, cell) if run.counted and run.load]
        return median(one["min"] for one in loads), median(one["max"] for one in loads)

    def ranking(self, figure: str, cell: Cell) -> list[tuple[str, Estimate]]:
        """Return all contestants that have the figure, best first."""
        found = [(name, self.estimate(figure, name, cell)) for name in self.results.names]
        sign = -1 if FIGURES[figure].more_is_better else 1
        return sorted(((n, e) for n, e in found if e is not None), key=lambda one: sign * one[1].median)

    def faultless(self, figure: str, cell: Cell) -> list[tuple[str, Estimate]]:
        """Return the ranking of the contestants without faults."""
        return [(name, found) for name, found in self.ranking(figure, cell) if not self.has_fault(name, cell)]

    def has_fault(self, name: str, cell: Cell) -> bool:
        """Tell whether anything went wrong in any round: then its other figures do not compare fairly."""
        return any(run.outcome not in FAIR for run in self.runs(name, cell))

    def compare(self, figure: str, one: str, other: str, cell: Cell) -> Verdict | None:
        """Tell whether one contestant has more or less of a figure than another; None without a common round."""
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
        """Return why the generator may have limited a contestant in a round that counts, or None."""
        found = (run.loaded("generator", "limited_by") for run in self.runs(name, cell) if run.counted)
        return next(filter(None, found), None)

    def uncounted(self, name: str) -> bool:
        """Tell whether the kernel forgets the CPU seconds of a contestant's ended children."""
        return any(run.server and run.server.uncounted for run in self.results.runs if run.contestant == name)

    def fault(self, name: str, cell: Cell) -> Run | None:
        """Return the worst run of a contestant in a cell: one that does not count, else one with a fault, else None."""
        troubled = [run for run in self.runs(name, cell) if run.outcome != "measured"]
        return next((run for run in troubled if not run.counted), troubled[0] if troubled else None)

    def word(self, name: str, cell: Cell) -> str:
        """Return the fault, and in how many rounds unless in all: ``hung in 1 of 3``. Empty without a fault."""
        fault, runs = self.fault(name, cell), self.runs(name, cell)
        if fault is None:
            return ""
        count = sum(run.outcome == fault.outcome for run in runs)
        return fault.outcome + ("" if count == len(runs) else f" in {count} of {len(runs)}")

    def faults(self) -> list[Run]:
        """Return the faults, one for each contestant and cell."""
        found = (self.fault(name, cell) for name in self.results.names for cell in self.cells)
        return [run for run in found if run is not None]

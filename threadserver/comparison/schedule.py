"""All runs, in interleaved rounds: A B C in one cell, A B C in the next, and after the last cell again from the first.

So a disturbance of the machine affects all contestants of a cell alike and hardly changes their paired ratios; and an
interrupted comparison has complete cells.
"""

from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, field
from datetime import datetime
from pathlib import Path
from time import monotonic

from threadserver.comparison.cells import CLASSIC, Cell
from threadserver.comparison.contestants import Contestant, printable
from threadserver.comparison.machine import interpreter, load_average, machine
from threadserver.comparison.measuring import Pace, measure
from threadserver.comparison.results import FINAL, Results, Run
from threadserver.comparison.running_contestant import Site
from threadserver.core.errors import KitError, reason

TRIES = 3
"""Failures in a row, to start or to answer the first client, after which a server is not tried again."""
TOUR_SECONDS = 180.0
TOUR_ROUNDS = 3
STARTING = 0.5
"""Seconds of a run in addition to its load: to start and stop the server and the generator."""
PACE = Pace(seconds=1.0, warm_up=0.3, timeout=2.0)

Show = Callable[[str, float, float], None]
"""Called with the current run, the part done (0 to 1), and the seconds left."""


@dataclass(frozen=True, slots=True)
class Schedule:
    """The contestants, the cells, the number of rounds and the pace."""

    contestants: list[Contestant]
    cells: list[Cell]
    rounds: int
    pace: Pace
    designs: list[Contestant] = field(default_factory=list)
    """Contestants for the classic table only, and so only for `octets`."""

    @property
    def seconds(self) -> float:
        """Estimated length in seconds."""
        return self.rounds * sum(len(self.entering(cell)) * self.cost(cell) for cell in self.cells)

    def entering(self, cell: Cell) -> list[Contestant]:
        """Return the contestants that take part in a cell."""
        return self.contestants + (self.designs if cell.workload == CLASSIC else [])

    def cost(self, cell: Cell) -> float:
        """Return the estimated length of a run in seconds."""
        return STARTING + (0.3 if cell.workload == "idle" else self.pace.seconds + self.pace.warm_up)

    def runs(self) -> Iterator[tuple[int, Cell, Contestant]]:
        """Yield every run, in order."""
        for number in range(self.rounds):
            for cell in self.cells:
                for contestant in self.entering(cell):
                    yield number, cell, contestant


def tour_pace(runs: int) -> Pace:
    """Choose the pace of a tour with ``runs`` per round, so that all of it takes about three minutes."""
    each = TOUR_SECONDS / (TOUR_ROUNDS * runs) - STARTING
    seconds = round(min(max(0.8 * each, 0.2), 1.0), 2)
    return Pace(seconds, warm_up=round(seconds / 4, 2), timeout=0.6)


def begin(schedule: Schedule, site: Site) -> Results:
    """Return empty results that record the place, the time and the means of the measurement."""
    return Results(
        begun=_now(),
        machine=machine(),
        load_average=load_average(),
        interpreter=interpreter(site.interpreter),
        servers=sorted(site.servers),
        generators=list(site.generators),
        pace=asdict(schedule.pace),
        planned=schedule.rounds,
        contestants=[
            {
                "name": one.name,
                "kind": one.kind,
                "family": one.family,
                "file": printable(str(one.file)),
                "only": CLASSIC if one in schedule.designs else None,
            }
            for one in schedule.contestants + schedule.designs
        ],
        cells=schedule.cells,
    )


def carry_out(schedule: Schedule, site: Site, file: Path, show: Show) -> Results:
    """Make all runs, and save those of each cell in the file when they are complete. Ctrl-C ends it early.

    The file's folder is made only now, before the first run. Raises KitError if that fails.
    """
    results = begin(schedule, site)
    _make(file.parent)
    results.write(file)
    try:
        results.interrupted = not _measure(schedule, site, file, results, show)
    except KeyboardInterrupt:
        results.interrupted = True
    if not results.interrupted:
        results.ended = _now()
    results.write(file)
    return results


def _make(folder: Path) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise KitError(f"cannot make {folder}: {reason(error)}") from error


def _measure(schedule: Schedule, site: Site, file: Path, results: Results, show: Show) -> bool:
    """Make every run; return False if one was interrupted."""
    clock = _Clock(schedule, show)
    attempts = _Attempts()
    for number, cell, contestant in schedule.runs():
        clock.what = f"round {number + 1} of {schedule.rounds}: {contestant.name}, {cell}"
        clock.tick()
        if attempts.may_try(contestant.name, cell):
            run = measure(contestant, cell, number, site, schedule.pace, clock.tick)
            if run is None:
                return False
            results.runs.append(run)
            attempts.record(run)
        if contestant is schedule.entering(cell)[-1]:  # saving after each run would take as long as the runs
            results.write(file)
        clock.done += schedule.cost(cell)
    return True


class _Attempts:
    """Knows where another round would show nothing new, to save the seconds of a useless attempt."""

    def __init__(self) -> None:
        self._settled: set[tuple[str, Cell]] = set()
        self._failures: Counter[str] = Counter()
        """Failures in a row: no client was answered, or the server never listened."""

    def may_try(self, name: str, cell: Cell) -> bool:
        """Tell whether to try a contestant in a cell."""
        return (name, cell) not in self._settled and self._failures[name] < TRIES

    def record(self, run: Run) -> None:
        """Record the outcome of a run."""
        if run.outcome in FINAL:
            self._settled.add((run.contestant, run.cell))
        if run.outcome in ("not started", "hung") and run.load is None:
            self._failures[run.contestant] += 1
        else:
            self._failures[run.contestant] = 0


class _Clock:
    """Knows how much of the work is done, and estimates the time left."""

    def __init__(self, schedule: Schedule, show: Show) -> None:
        self.what = ""
        self.done = 0.0
        self._whole = schedule.seconds
        self._begun = monotonic()
        self._show = show

    def tick(self) -> None:
        """Show the progress. After the first runs, the estimate follows the time that they took."""
        passed = monotonic() - self._begun
        slower = passed / self.done if self.done > 10 else 1.0
        self._show(self.what, self.done / self._whole, max((self._whole - self.done) * slower, 0.0))


def _now() -> str:
    return datetime.now().astimezone().isoformat(timespec="seconds")

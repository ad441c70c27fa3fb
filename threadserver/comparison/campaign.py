"""A comparison from request to result: plan it, check the limits, and carry it out with a progress bar."""

import sys
from collections.abc import Sequence
from dataclasses import replace
from math import inf
from pathlib import Path
from time import monotonic

from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn
from rich.table import Column

from threadserver.comparison import classic_table
from threadserver.comparison.capacity import make_room
from threadserver.comparison.cells import CLASSIC, cells
from threadserver.comparison.contestants import Contestant, find, own, ready
from threadserver.comparison.measuring import Pace
from threadserver.comparison.results import Results
from threadserver.comparison.running_contestant import site
from threadserver.comparison.schedule import PACE, TOUR_ROUNDS, Schedule, carry_out, tour_pace

ROUNDS = 6
EVERY = 30.0
"""Seconds between two lines of progress without a terminal."""


def plan(
    contestants: Sequence[Contestant], workloads: Sequence[str], connections: Sequence[int], rounds: int | None,
    seconds: float | None, rate: float | None,
) -> Schedule:  # fmt: skip
    """Plan a comparison; defaults are those of the tour: about three minutes, three rounds.

    If all models of the kit take part, `octets` is for the classic table, and its other designs take part too.
    """
    wished = cells(workloads, connections, rate)
    octets = sum(cell.workload == CLASSIC for cell in wished)
    names = {one.name for one in contestants}
    designs = (
        [find(name) for name in classic_table.variants() if name not in names] if octets and names >= {*own()} else []
    )
    tour = not (workloads or connections or rounds or seconds)
    pace = tour_pace(len(contestants) * len(wished) + len(designs) * octets) if tour else PACE
    if seconds:
        pace = Pace(seconds, min(0.3 * seconds, 2.0), PACE.timeout)
    return Schedule(list(contestants), wished, rounds or (TOUR_ROUNDS if tour else ROUNDS), pace, designs)


def compare(schedule: Schedule, interpreter: str | None, folder: Path, console: Console) -> Results:
    """Carry out a schedule; the folder holds the result as it grows."""
    for warning in make_room(max(cell.connections for cell in schedule.cells)):
        console.print(warning, style="yellow", highlight=False)
    place = site(interpreter or sys.executable)
    with ready(schedule.contestants) as contestants, _Bar(console) as bar:
        return carry_out(replace(schedule, contestants=contestants), place, folder / "results.json", bar.show)


class _Bar(Progress):
    """Shows the current run, the progress and the time left; in a pipe or a log, as a line from time to time."""

    def __init__(self, console: Console) -> None:
        narrow = Column(ratio=1, no_wrap=True, overflow="ellipsis")
        columns = (
            BarColumn(bar_width=min(40, console.width // 4)),
            TextColumn("{task.fields[left]}", table_column=Column(no_wrap=True, min_width=9)),
            TextColumn("{task.description}", table_column=narrow),
        )
        off = not console.is_terminal
        super().__init__(*columns, console=console, transient=True, refresh_per_second=4, disable=off, expand=True)
        self._task = self.add_task("", total=1.0, left="")
        self._next_line = monotonic() + EVERY if off else inf

    def show(self, what: str, done: float, left: float) -> None:
        """Show the current run, the part done (0 to 1), and the seconds left."""
        minutes, seconds = divmod(round(left), 60)
        time_left = f"{minutes}:{seconds:02} left"
        self.update(self._task, completed=done, description=what, left=time_left)
        if monotonic() >= self._next_line:
            self._next_line += EVERY
            self.console.print(f"{done:.0%}, {time_left}: {what}", markup=False, highlight=False, soft_wrap=True)

"""A comparison from the wish to the result: planned, room made, carried out with a progress bar."""

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
"""Seconds between two lines of progress where there is no terminal."""


def plan(
    contestants: Sequence[Contestant], workloads: Sequence[str], connections: Sequence[int], rounds: int | None,
    seconds: float | None, rate: float | None,
) -> Schedule:  # fmt: skip
    """Plan what was wished; what was left open is as in the tour: about three minutes, three rounds.

    Where all models of the kit enter, `octets` is for the classic table: its other designs enter as well.
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
    """Carry out a schedule; the result is kept in the folder while it grows."""
    for warning in make_room(max(cell.connections for cell in schedule.cells)):
        console.print(warning, style="yellow", highlight=False)
    place = site(interpreter or sys.executable)
    with ready(schedule.contestants) as contestants, _Bar(console) as bar:
        return carry_out(replace(schedule, contestants=contestants), place, folder / "results.json", bar.show)


class _Bar(Progress):
    """What runs now, how far we are, and how long it will still take; in a pipe or a log a line now and then."""

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
        """Show it."""
        minutes, seconds = divmod(round(left), 60)
        time_left = f"{minutes}:{seconds:02} left"
        self.update(self._task, completed=done, description=what, left=time_left)
        if monotonic() >= self._next_line:
            self._next_line += EVERY
            self.console.print(f"{done:.0%}, {time_left}: {what}", markup=False, highlight=False, soft_wrap=True)

"""How far the grading of a class is: a bar on a terminal, a line for each submission in a pipe or a file."""

import time
from collections.abc import Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from threadserver.core.printable import printable
from threadserver.judge.outcomes import Verdict


class Shown:
    """Shows each result as it comes, with the rate and the time left."""

    def __init__(self, console: Console, total: int, bar: Progress | None) -> None:
        self._console = console
        self._total = total
        self._bar = bar
        self._task = bar.add_task("", total=total, rate="") if bar else None
        self._begun = time.monotonic()
        self._done = 0

    def done(self, students: str, verdict: Verdict) -> None:
        """Say that a submission has its verdict."""
        self._done += 1
        seconds = time.monotonic() - self._begun
        rate = f"{60 * self._done / seconds:.1f} a minute" if seconds else ""
        if self._bar is not None and self._task is not None:
            self._bar.update(self._task, completed=self._done, rate=rate)
            if verdict.broken:
                self._bar.console.print(_line(students, verdict), markup=False)
            return
        left = seconds / self._done * (self._total - self._done)
        self._console.print(
            f"{self._done} of {self._total}  {_line(students, verdict)}  ({rate}, {_time(left)} left)",
            markup=False, soft_wrap=True,
        )  # fmt: skip


@contextmanager
def shown(console: Console, total: int) -> Iterator[Shown]:
    """Show the progress of this many submissions while the block lasts."""
    if not console.is_terminal or not total:
        yield Shown(console, total, None)
        return
    columns = (BarColumn(), MofNCompleteColumn(), TextColumn("{task.fields[rate]}"), TimeRemainingColumn())
    with Progress(*columns, console=console, transient=True) as bar:
        yield Shown(console, total, bar)


def _line(students: str, verdict: Verdict) -> str:
    if verdict.broken:
        return printable(f"{students}: the judge failed: {verdict.problem or 'see the checks'}")
    return printable(f"{students}: {verdict.score:g} of {verdict.max_score:g}{' (provisional)' * verdict.provisional}")


def _time(seconds: float) -> str:
    return f"{seconds:.0f} s" if seconds < 100 else f"{seconds / 60:.0f} min"

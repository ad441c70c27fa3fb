"""Watching a folder: judge it at every save, and show the first cause of what fails."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from rich.console import Console
from watchfiles import watch as saves

from threadserver.core.labs import Lab
from threadserver.core.plurals import count
from threadserver.judge import asking, first_screen, verdict_text
from threadserver.judge.outcomes import Outcome, Result
from threadserver.judge.workspace import remember


def watch(lab: Lab, folder: Path, console: Console) -> None:
    """Judge now and after every save, until interrupted."""
    _once(lab, folder, console)
    for _ in saves(folder, raise_interrupt=True):
        _once(lab, folder, console)


def _once(lab: Lab, folder: Path, console: Console) -> None:
    if console.is_terminal:
        console.clear()
    verdict_text.heading(console, lab, str(folder))
    with checking(console) as done:
        verdict = asking.check(lab, folder, done=done)
    if not verdict.broken:
        remember(lab, folder, verdict.score, verdict.max_score)
    first_screen.show(console, lab, verdict)
    console.print("[dim]Waiting for a save; Ctrl-C ends.[/]")


@contextmanager
def checking(console: Console) -> Iterator[Callable[[Result], None]]:
    """Show how many checks are done and which have failed, for the length of the block; yield what counts a result."""
    counted = failed = 0
    with console.status("checking …") as status:

        def done(result: Result) -> None:
            nonlocal counted, failed
            counted += 1
            failed += result.outcome is Outcome.FAILED
            status.update(f"checking … {count(counted, 'check')} done, {failed} failed")

        yield done

"""Watching a folder: judge it at every save, and show only the next step."""

from pathlib import Path

from rich.console import Console
from watchfiles import watch as saves

from threadserver.core.labs import Lab
from threadserver.judge import asking, verdict_text
from threadserver.judge.outcomes import Outcome, Verdict
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
    with console.status("checking …"):
        verdict = asking.check(lab, folder)
    if not verdict.broken:
        remember(lab, folder, verdict.score, verdict.max_score)
    _show(console, verdict)


def _show(console: Console, verdict: Verdict) -> None:
    """Show the score and the first check that does not pass: one thing at a time."""
    failed = [one for one in verdict.checks if one.outcome is not Outcome.PASSED]
    passed = len(verdict.checks) - len(failed)
    if failed:
        verdict_text.details(console, failed[0], verbose=False)
    verdict_text.total(console, verdict)
    console.print(f"[dim]{passed} of {len(verdict.checks)} checks pass. Waiting for a save; Ctrl-C ends.[/]")

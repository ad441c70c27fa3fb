"""Judging a student's submission again: the copy that was judged, with the same seed."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

from threadserver.core.errors import UsageError
from threadserver.core.labs import Lab, find
from threadserver.core.printable import printable
from threadserver.grading.copies import Copies
from threadserver.grading.grade_store import Grade
from threadserver.grading.grading import digest, opened
from threadserver.judge import asking
from threadserver.judge.outcomes import Result, Verdict


@dataclass(frozen=True, slots=True)
class Replay:
    """A recorded verdict, and what is needed to reproduce it."""

    lab: Lab
    grade: Grade
    folder: Path
    recorded: Verdict
    notes: list[str]


def find_replay(out: Path, student: str) -> Replay:
    """Find the verdict behind a student's grade. Raises UsageError when there is none."""
    with opened(out) as store:
        grade = _student(store.grades(), student)
        recorded = store.verdict(grade.key)
        lab = find(store.lab)
    if recorded is None:
        raise UsageError(f"{grade.name} has no verdict: {grade.note}")
    notes = [] if digest(lab) == grade.rubric else ["the lab has changed since then: its checks may differ now"]
    return Replay(lab, grade, Copies(out / "copies").of(grade.content), recorded, notes)


def replay(found: Replay, *, only: Iterable[str] = (), done: Callable[[Result], None] = lambda _: None) -> Verdict:
    """Judge the kept copy again, with the recorded seed."""
    return asking.check(found.lab, found.folder, only=only, seed=found.recorded.seed, done=done)


def differences(before: Verdict, again: Verdict) -> list[str]:
    """Return each check whose outcome differs now."""
    outcomes = {check.name: check.outcome for check in before.checks}
    return [
        f"{check.name}: {outcomes[check.name]} then, {check.outcome} now"
        for check in again.checks
        if check.name in outcomes and outcomes[check.name] is not check.outcome
    ]


def _student(grades: dict[str, Grade], wanted: str) -> Grade:
    if wanted in grades:
        return grades[wanted]
    word = wanted.casefold()
    same = [one for one in grades.values() if word in {one.name.casefold(), one.student.casefold()}]
    if len(same) == 1:
        return same[0]
    like = same or [one for one in grades.values() if word in f"{one.name} {one.student}".casefold()]
    listed = ", ".join(printable(f"{one.name} ({one.student})") for one in like[:10])
    called = f"{'several students are' if same else 'no student is'} called {printable(wanted)!r}"
    raise UsageError(f"{called}: {listed}" if listed else called)

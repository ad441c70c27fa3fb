"""From verdicts to grades: which hand-in counts, what it is worth, and what a regrade would change.

A grade is never lowered silently. A grade that would be lower stays as it is until the change is accepted, and so does
a grade whose hand-in has lost its verdict to an error of the judge.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace

from threadserver.grading.exports import HandIn
from threadserver.grading.grade_store import Grade, Key, now
from threadserver.grading.lateness import LatePolicy
from threadserver.judge.outcomes import Outcome, Verdict

TAKES = ("last", "best")
_TOLERANCE = 1e-6
"""Points by which two sums of the same numbers may differ."""


@dataclass(frozen=True, slots=True)
class Judged:
    """One hand-in with what is known about it."""

    hand_in: HandIn
    number: int
    key: Key
    problem: str
    verdict: Verdict | None


@dataclass(frozen=True, slots=True)
class Change:
    """A grade that has changed."""

    student: str
    name: str
    was: float | None
    now: float | None
    held: bool
    """True when the grade would be lower, and waits to be accepted."""
    failed: bool = False
    """True when the judge failed: then the grade stays, accepted or not."""

    @property
    def sentence(self) -> str:
        """Say it in one line."""
        if self.failed:
            return f"{self.name}: the judge failed; the grade stays {_said(self.was)}"
        return f"{self.name}: {_said(self.was)} -> {_said(self.now)}{' (kept until --accept)' if self.held else ''}"


def _said(points: float | None) -> str:
    return "no grade" if points is None else f"{points:g}"


Worth = Callable[[Verdict], tuple[float, float]]
"""Returns the points that a verdict earns, and the most that any could."""


def grade_of(judged: Iterable[Judged], policy: LatePolicy, take: str, worth: Worth) -> Grade:
    """Return the grade of one student from all of the student's hand-ins, the earliest first."""
    graded = [_graded(one, policy, worth) for one in judged]
    counting = [one for one in graded if one.state != "late"] or graded
    if take == "last":
        return counting[-1]
    return max(counting, key=lambda one: (-1 if one.points is None else one.points, one.number))


def _graded(judged: Judged, policy: LatePolicy, worth: Worth) -> Grade:
    hand_in, verdict = judged.hand_in, judged.verdict
    late = policy.is_late(hand_in)
    grade = Grade(hand_in.student, hand_in.name, None, 0, "error", "", judged.number, int(late), judged.key.content,
                  judged.key.rubric, judged.key.kit, now())  # fmt: skip
    factor = policy.factor(hand_in)
    if factor == 0:
        return replace(grade, state="late", note="handed in after the deadline: it does not count")
    if judged.problem:
        return replace(grade, state="refused", note=judged.problem)
    if verdict is None or verdict.broken:
        return replace(grade, note=f"the judge failed: {_why(verdict)}")
    points, most = worth(verdict)
    if factor is None:
        return replace(grade, max_points=most, state="late", note="late; the platform does not say by how much")
    note = "" if not late else "late" if factor == 1 else f"late: {100 * (1 - factor):g} % less than {points:g}"
    if verdict.provisional:
        return replace(grade, points=round(points * factor, 2), max_points=most, state="provisional",
                       note="; ".join(filter(None, (note, verdict.standing))))  # fmt: skip
    return replace(grade, points=round(points * factor, 2), max_points=most, state="graded", note=note)


def _why(verdict: Verdict | None) -> str:
    if verdict is None:
        return "it was interrupted"
    failed = [f"{one.name}: {one.message}" for one in verdict.checks if one.outcome is Outcome.ERROR]
    return verdict.problem or "; ".join(failed)


def regrade(before: dict[str, Grade], found: Iterable[Grade], *, accept: bool) -> tuple[list[Grade], list[Change]]:
    """Compare grades with those that are recorded. Return the grades to record, and all changes, held ones included."""
    record, changes = [], []
    for grade in found:
        old = before.get(grade.student)
        if old is None or old.points is None:
            record.append(grade)
            continue
        same = grade.points is not None and abs(grade.points - old.points) < _TOLERANCE
        failed = grade.state == "error"
        held = failed or (not accept and not same and (grade.points is None or grade.points < old.points))
        if not same:
            changes.append(Change(grade.student, grade.name, old.points, grade.points, held, failed))
        if not held:
            record.append(grade)
    return record, changes

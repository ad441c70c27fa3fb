"""What a judge can say of a check, and of a submission.

passed         it does what the check asks
failed         it does not; the message says what was sent, expected, and came
blocked        a check that this one depends on has failed, so nothing was tried
undetermined   the witnesses disagree, or could not be had: a person decides by the evidence, no points are lost
error          the judge or the machine broke, twice: the check counts neither for nor against the student
"""

from dataclasses import asdict, dataclass, field
from enum import StrEnum
from typing import Any


class Outcome(StrEnum):
    """The outcome of one check."""

    PASSED = "passed"
    FAILED = "failed"
    BLOCKED = "blocked"
    UNDETERMINED = "undetermined"
    ERROR = "error"


class WrongError(AssertionError):
    """The submission does something else than it has to. ``evidence``: what the kernel showed at that moment."""

    def __init__(self, message: str, evidence: str = "") -> None:
        super().__init__(message)
        self.evidence = evidence


class LateError(Exception):
    """The judge was late, and a limit of the submission ran out for it: the judge's error, never the student's."""


class UndeterminedError(Exception):
    """What was seen does not decide it; ``evidence`` is for the person who will."""

    def __init__(self, message: str, evidence: str = "") -> None:
        super().__init__(message)
        self.evidence = evidence


@dataclass(slots=True)
class Result:
    """One check of one submission."""

    name: str
    points: float
    max_points: float
    outcome: Outcome
    sentence: str
    message: str = ""
    hint: str = ""
    evidence: str = ""
    transcript: str = ""


def earned(outcome: Outcome, max_points: float) -> float:
    """How many points an outcome gives: a doubt is not the student's loss."""
    return max_points if outcome in {Outcome.PASSED, Outcome.UNDETERMINED} else 0


@dataclass(slots=True)
class Verdict:
    """All checks of one submission; ``complete`` is false when the judge was interrupted or broke before the end."""

    lab: str
    containment: str
    checks: list[Result] = field(default_factory=list)
    complete: bool = True
    problem: str = ""
    """Why the judge could not work, when it could not."""
    notes: list[str] = field(default_factory=list)
    """Remarks on the submission that are no failures."""

    @property
    def score(self) -> float:
        """The points earned."""
        return sum(check.points for check in self.checks)

    @property
    def max_score(self) -> float:
        """The points that could be earned: without the checks at which the judge itself broke."""
        return sum(check.max_points for check in self.checks if check.outcome is not Outcome.ERROR)

    @property
    def broken(self) -> bool:
        """True when the judge could not do its work, so that this is no verdict to keep."""
        return bool(self.problem) or not self.complete or any(one.outcome is Outcome.ERROR for one in self.checks)

    @property
    def exit_code(self) -> int:
        """0: everything passed. 1: not everything. 3: the judge itself could not work."""
        if self.broken:
            return 3
        return 0 if all(one.outcome is Outcome.PASSED for one in self.checks) else 1

    def as_json(self) -> dict[str, Any]:
        """Plain data, as ``lab check --json`` prints it."""
        return {
            "lab": self.lab,
            "score": self.score,
            "max_score": self.max_score,
            "containment": self.containment,
            "complete": self.complete,
            "problem": self.problem,
            "notes": self.notes,
            "checks": [asdict(check) for check in self.checks],
        }

"""The outcomes of a check, and the verdict on a submission.

passed         it does what the check asks
failed         it does not; the message says what was sent, what was expected, and what came
blocked        a check that this one depends on has failed, so nothing was tried
undetermined   the witnesses disagree or are missing: a person decides by the evidence, and no points are lost
error          the judge or the machine failed, twice: the check counts neither for nor against the student
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
    """The submission does something wrong. ``evidence`` is what the kernel showed at that moment."""

    def __init__(self, message: str, evidence: str = "") -> None:
        super().__init__(message)
        self.evidence = evidence


class LateError(Exception):
    """The judge was late, so that a time limit of the submission ran out: the judge's error, never the student's."""


class UndeterminedError(Exception):
    """What was seen does not decide the check; ``evidence`` is for the person who must decide."""

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
    """Return the points that an outcome earns: an undetermined check costs the student none."""
    return max_points if outcome in {Outcome.PASSED, Outcome.UNDETERMINED} else 0


@dataclass(slots=True)
class Verdict:
    """All checks of one submission; ``complete`` is false when the judge was interrupted or broke before the end."""

    lab: str
    containment: str
    checks: list[Result] = field(default_factory=list)
    complete: bool = True
    problem: str = ""
    """Why the judge could not do its work; empty when it could."""
    notes: list[str] = field(default_factory=list)
    """Remarks on the submission that are not failures."""
    seed: int = 0
    """The seed of everything drawn in this verdict: the same seed asks the same questions."""

    @property
    def score(self) -> float:
        """The points earned."""
        return sum(check.points for check in self.checks)

    @property
    def max_score(self) -> float:
        """The points that could be earned, leaving out the checks at which the judge itself failed."""
        return sum(check.max_points for check in self.checks if check.outcome is not Outcome.ERROR)

    @property
    def total(self) -> str:
        """The points in words; of a verdict that broke off there are none, for the checks that are left may fail."""
        if self.problem or not self.complete:
            decided = "1 check was" if len(self.checks) == 1 else f"{len(self.checks)} checks were"
            return f"no score: the judge broke off when {decided} decided"
        return f"{self.score:g} of {self.max_score:g} points"

    @property
    def broken(self) -> bool:
        """True when the judge could not do its work, so that this verdict must not be kept."""
        return bool(self.problem) or not self.complete or any(one.outcome is Outcome.ERROR for one in self.checks)

    @property
    def undetermined(self) -> list[Result]:
        """The checks that a person has to decide."""
        return [one for one in self.checks if one.outcome is Outcome.UNDETERMINED]

    @property
    def provisional(self) -> bool:
        """True when a person has to decide a check: its points are counted, and may not stay."""
        return bool(self.undetermined)

    @property
    def standing(self) -> str:
        """What a provisional score is worth, in a sentence; empty when the score is not provisional."""
        if not self.provisional:
            return ""
        doubts = "; ".join(f"{one.name}: {one.message}" for one in self.undetermined)
        return f"provisional: {self.score:g} of {self.max_score:g}; undecided: {doubts}"

    @property
    def exit_code(self) -> int:
        """0: everything passed. 1: something did not. 3: the judge itself could not do its work."""
        if self.broken:
            return 3
        return 0 if all(one.outcome is Outcome.PASSED for one in self.checks) else 1

    def as_json(self) -> dict[str, Any]:
        """Return plain data, as ``lab check --json`` prints it."""
        return {
            "lab": self.lab,
            "score": self.score,
            "max_score": self.max_score,
            "provisional": self.provisional,
            "containment": self.containment,
            "complete": self.complete,
            "problem": self.problem,
            "notes": self.notes,
            "seed": self.seed,
            "checks": [asdict(check) for check in self.checks],
        }

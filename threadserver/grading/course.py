"""What a course changes about a lab, in a few lines of ``course.toml``: weights, partial credit, hidden checks.

::

    [labs.thread]
    points = 20                       # what the whole lab is worth: everything is scaled to it
    hidden = ["late", "model"]        # counted, and not shown to students
    whole = [["echo", "pieces"]]      # these earn their points together or not at all
    weights = { model = 2, rests = 0 }  # counts twice; does not count

A lab that is not named keeps the points of its rubric.
"""

import tomllib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from threadserver.core.errors import UsageError, reason
from threadserver.core.labs import Lab
from threadserver.judge.outcomes import Outcome, Result, Verdict
from threadserver.judge.rubric_reading import read as read_rubrics

FILE = "course.toml"
_KEYS = {"points", "hidden", "whole", "weights"}


@dataclass(frozen=True, slots=True)
class Scheme:
    """How one lab counts in a course."""

    points: float = 0
    """What the lab is worth; 0: what its checks are worth together."""
    hidden: frozenset[str] = frozenset()
    whole: tuple[frozenset[str], ...] = ()
    weights: dict[str, float] = field(default_factory=dict)

    def scored(self, checks: Iterable[Result], known: Sequence[Result] = ()) -> list[Result]:
        """Return checks with the points that they earn in this course.

        ``known`` are all checks of the lab when ``checks`` are only those that were judged so far.
        """
        found = list(checks)
        weighted = {one.name: self.weights.get(one.name, 1) for one in [*known, *found]}
        total = sum(weighted[one.name] * one.max_points for one in known or found if one.outcome is not Outcome.ERROR)
        scale = self.points / total if self.points and total else 1
        lost = {one.name for one in found if one.points < one.max_points}
        spoiled = {name for group in self.whole if group & lost for name in group}
        return [
            replace(
                one,
                points=0 if one.name in spoiled else one.points * weighted[one.name] * scale,
                max_points=one.max_points * weighted[one.name] * scale,
            )
            for one in found
        ]

    def worth(self, verdict: Verdict) -> tuple[float, float]:
        """Return the points that a verdict earns, and the most that it could."""
        scored = replace(verdict, checks=self.scored(verdict.checks))
        return round(scored.score, 2), round(scored.max_score, 2)

    def shown(self, verdict: Verdict) -> Verdict:
        """Return what a student may see of a verdict, with the points of this course."""
        checks = [self._open(one) for one in self.scored(verdict.checks) if one.name not in self.hidden]
        count = len(verdict.checks) - len(checks)
        notes = [f"your grade also counts checks that are not shown: {count}"] if count else []
        return replace(verdict, checks=checks, notes=[*verdict.notes, *notes])

    def _open(self, check: Result) -> Result:
        """Return a check that names no hidden one, with points for people."""
        hides = check.outcome is Outcome.BLOCKED and any(name in check.message for name in self.hidden)
        message = "not tried: it depends on a check that is not shown" if hides else check.message
        return replace(check, points=round(check.points, 2), max_points=round(check.max_points, 2), message=message)

    def as_json(self) -> dict[str, Any]:
        """Return plain data, in the form of course.toml."""
        return {
            "points": self.points, "hidden": sorted(self.hidden), "whole": [sorted(group) for group in self.whole],
            "weights": self.weights,
        }  # fmt: skip


AS_THE_RUBRIC_SAYS = Scheme()
"""For a lab that the course does not name."""


def scheme_of(lab: Lab, file: Path | None) -> Scheme:
    """Return how a lab counts: as a course's file says, or as its rubric does where there is none.

    Raises UsageError, in one line, when the file cannot be used, or names a check that the lab does not have.
    """
    if file is None:
        return AS_THE_RUBRIC_SAYS
    try:
        said = tomllib.loads(file.read_text("utf-8")).get("labs", {}).get(lab.name)
    except OSError as error:
        raise UsageError(f"cannot read {file}: {reason(error)}") from error
    except (ValueError, AttributeError) as error:
        raise UsageError(f"{file}: {error}") from error
    if said is None:
        return AS_THE_RUBRIC_SAYS
    scheme = read_scheme(said, f"{file}, [labs.{lab.name}]")
    known = read_rubrics([lab.rubric])[lab.rubric.resolve()]
    if isinstance(known, str):
        raise UsageError(f"{lab.rubric} cannot be read: {known}")
    named = scheme.hidden | set(scheme.weights) | {name for group in scheme.whole for name in group}
    if unknown := sorted(named - set(known)):
        raise UsageError(f"{file}: {lab.name} has no check {', '.join(unknown)}; its checks are {', '.join(known)}")
    return scheme


def read_scheme(said: object, where: str) -> Scheme:
    """Read what stands under a lab's name. Raises UsageError for a key or a value that means nothing."""
    if not isinstance(said, dict) or set(said) - _KEYS:
        raise UsageError(f"{where}: the keys are {', '.join(sorted(_KEYS))}")
    points, hidden, whole, weights = (said.get(key, empty) for key, empty in
                                      (("points", 0), ("hidden", []), ("whole", []), ("weights", {})))  # fmt: skip
    right = (
        _is_amount(points)
        and _is_names(hidden)
        and isinstance(whole, list) and all(map(_is_names, whole))
        and isinstance(weights, dict) and all(map(_is_amount, weights.values()))
    )  # fmt: skip
    if not right:
        raise UsageError(f"{where}: points is a number, hidden a list of checks, whole a list of such lists, weights "
                         "a number for each check; none is negative")  # fmt: skip
    return Scheme(float(points), frozenset(hidden), tuple(map(frozenset, whole)), dict(weights))


def _is_amount(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and 0 <= value < 1e9


def _is_names(value: object) -> bool:
    return isinstance(value, list) and all(isinstance(one, str) for one in value)

"""The page about a class: points, bugs by name, submissions that need a person, submissions that are alike."""

import statistics
import tomllib
from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined

from threadserver.core.labs import Lab
from threadserver.core.printable import printable
from threadserver.grading import student_pages
from threadserver.grading.grade_store import Grade
from threadserver.grading.likeness import Pair, files_of
from threadserver.grading.standing import Change
from threadserver.judge.outcomes import Outcome, Verdict
from threadserver.judge.selftest import EXPECTATION, Subject, subjects

BARS = 10
MOST_PAIRS = 20
MOST_LINES = 400

_templates = Environment(
    loader=PackageLoader("threadserver.grading"), autoescape=True, undefined=StrictUndefined, trim_blocks=True,
    lstrip_blocks=True,
)  # fmt: skip
_templates.filters["printable"] = printable


@dataclass(slots=True)
class Bug:
    """A bug by its name, with the students who have it."""

    name: str
    says: str
    students: list[str] = field(default_factory=list)


@dataclass(slots=True)
class ClassReport:
    """All that the page shows."""

    lab: Lab
    grades: list[Grade]
    verdicts: dict[str, Verdict]
    """The verdict behind each student's grade."""
    changes: list[Change]
    problems: list[str]
    pairs: list[Pair]
    names: dict[str, str] = field(default_factory=dict)


def render(report: ClassReport, folder_of: Callable[[str], Path]) -> str:
    """Return the page as HTML; ``folder_of`` finds a student's copy, for the pairs that are alike."""
    points = [grade.points for grade in report.grades if grade.points is not None]
    most = max((grade.max_points for grade in report.grades), default=0)
    return _templates.get_template("class.html.j2").render(
        report=report,
        bars=_bars(points, most),
        middle=statistics.median(points) if points else 0,
        mean=statistics.fmean(points) if points else 0,
        most=most,
        checks=_checks(report.verdicts.values()),
        bugs=bugs(report),
        needed=[grade for grade in report.grades if grade.state != "graded"],
        uncontained=sorted({one.containment for one in report.verdicts.values() if one.containment == "self-check"}),
        pairs=[_shown(pair, folder_of) for pair in report.pairs[:MOST_PAIRS]],
        name_of={grade.student: grade.name for grade in report.grades},
        page_of={grade.student: student_pages.file_name(grade.student, grade.name) for grade in report.grades},
    )


def _bars(points: list[float], most: float) -> list[tuple[str, int]]:
    """Return how many grades lie in each tenth of the points."""
    counts = Counter(min(int(BARS * one / most), BARS - 1) if most else 0 for one in points)
    return [(f"{at * most / BARS:g} to {(at + 1) * most / BARS:g}", counts[at]) for at in range(BARS)]


def _checks(verdicts: Iterable[Verdict]) -> list[tuple[str, str, int, int, int]]:
    """Return each check that not everyone passed: name, sentence, how many failed, were blocked, are undecided."""
    found: dict[str, tuple[str, Counter[Outcome]]] = {}
    for verdict in verdicts:
        for check in verdict.checks:
            found.setdefault(check.name, (check.sentence, Counter()))[1][check.outcome] += 1
    rows = [
        (name, sentence, counts[Outcome.FAILED], counts[Outcome.BLOCKED], counts[Outcome.UNDETERMINED])
        for name, (sentence, counts) in found.items()
    ]
    return sorted((row for row in rows if any(row[2:])), key=lambda row: (-row[2], -row[4], -row[3]))


def bugs(report: ClassReport) -> list[Bug]:
    """Name the bug of each student by the words that the lab's known mistakes look for in the feedback.

    A bug that no mistake has, or any bug in the student edition, has the name of the first check that fails.
    """
    known = subjects(report.lab, ["mistakes"])
    found: dict[str, Bug] = {}
    for student, verdict in report.verdicts.items():
        if bug := _bug(verdict, known):
            found.setdefault(bug.name, bug).students.append(student)
    return sorted(found.values(), key=lambda bug: -len(bug.students))


def _bug(verdict: Verdict, known: list[Subject]) -> Bug | None:
    failed = [check for check in verdict.checks if check.outcome is Outcome.FAILED]
    if not failed:
        return None
    first, said = failed[0], f"{failed[0].message}\n{failed[0].evidence}"
    found = [(words, one) for one in known if first.name in one.fails for words in one.says if words in said]
    if not found:
        return Bug(first.name, first.sentence)
    told = max((words for words, _ in found), key=len)
    causes = {_misconception(one) for words, one in found if words == told}
    return Bug(
        f"{first.name}: … {told} …",
        causes.pop() if len(causes) == 1 else f"{first.sentence}: several mistakes look like this",
    )


def _misconception(subject: Subject) -> str:
    said = tomllib.loads((subject.folder / EXPECTATION).read_text("utf-8"))
    return str(said.get("misconception", ""))


def _shown(pair: Pair, folder_of: Callable[[str], Path]) -> dict[str, Any]:
    sides = []
    for student, lines in zip((pair.first, pair.second), pair.lines, strict=True):
        files = [
            (
                name,
                [
                    (line, (name, number) in lines)
                    for number, line in enumerate(text.expandtabs(4).split("\n")[:MOST_LINES], 1)
                ],
            )
            for name, text in files_of(folder_of(student))
        ]
        sides.append((student, files))
    return {"share": pair.share, "sides": sides}

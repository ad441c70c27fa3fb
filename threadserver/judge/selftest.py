"""The judge's own test: judge every solution, alternative and mistake of a lab, and compare with the expected verdict.

A solution or an alternative must pass everything. A mistake must fail exactly the checks that its ``mistake.toml``
names, with words in the feedback that name the bug; checks that depend on those are blocked; all others must pass. One
that lets the judge wait for too long may be spared the last of its checks.
The lab itself is checked as well: whether its ``lab.toml`` agrees with its files (`lab_problems`).
"""

import os
import tomllib
from collections import Counter
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from rich.box import SIMPLE_HEAD
from rich.table import Table

from threadserver.core.errors import UsageError, reason
from threadserver.core.labs import Lab
from threadserver.judge import asking
from threadserver.judge.lab_problems import problems
from threadserver.judge.outcomes import Outcome, Verdict
from threadserver.judge.patience import OUT_OF_PATIENCE
from threadserver.judge.workspace import submissions

KINDS = ("solution", "alternatives", "mistakes")
EXPECTATION = "mistake.toml"


@dataclass(frozen=True, slots=True)
class Subject:
    """A submission that the lab ships, and the checks that it must fail."""

    lab: Lab
    kind: str
    folder: Path
    fails: frozenset[str] = frozenset()
    says: tuple[str, ...] = ()
    """The feedback of the first failed check must contain one of these."""

    @property
    def title(self) -> str:
        """Its name among all submissions of all labs."""
        return (
            f"{self.lab.name}/{self.folder.name}"
            if self.kind == "solution"
            else f"{self.lab.name}/{self.kind}/{self.folder.name}"
        )


@dataclass(frozen=True, slots=True)
class Reported:
    """One submission, judged once. ``differs`` says where the verdict is not the expected one."""

    title: str
    kind: str
    must_fail: list[str]
    failed: list[str]
    blocked: list[str]
    undetermined: list[str]
    checks: list[str]
    differs: str


@dataclass
class Matrix:
    """Which submission had to fail which check, and which did."""

    reports: list[Reported] = field(default_factory=list)
    problems: dict[str, list[str]] = field(default_factory=dict)
    """By the lab's name: where its ``lab.toml`` does not agree with its files."""

    @property
    def disagreements(self) -> list[Reported]:
        """The submissions whose verdict is not the expected one."""
        return [one for one in self.reports if one.differs]

    @property
    def failed(self) -> bool:
        """True when a verdict is not the expected one, or when something is wrong with a lab itself."""
        return bool(self.disagreements) or any(self.problems.values())

    def counts(self, lab: str) -> Counter[str]:
        """Count the checks of a lab by the outcome that each had to have and the outcome that it had."""
        found: Counter[str] = Counter()
        for one in self.reports:
            if one.title.partition("/")[0] != lab:
                continue
            found["submissions"] += 1
            for check in one.checks:
                lost = "blocked" if check in one.blocked else "lost" if check in one.failed else "kept"
                found[f"{'must lose' if check in one.must_fail else 'must keep'}, {lost}"] += 1
            found["undetermined"] += len(one.undetermined)
            found["disagreements"] += bool(one.differs)
        return found

    def table(self) -> Table:
        """Return a table with one row for each lab."""
        columns = ("submissions", "must lose, lost", "must lose, kept", "must keep, kept", "must keep, lost",
                   "must keep, blocked", "undetermined", "disagreements")  # fmt: skip
        shown = Table(box=SIMPLE_HEAD, header_style="bold", pad_edge=False)
        for heading in ("lab", *columns):
            shown.add_column(heading, justify="left" if heading == "lab" else "right")
        for lab in dict.fromkeys(one.title.partition("/")[0] for one in self.reports):
            counts = self.counts(lab)
            shown.add_row(lab, *(str(counts[column]) for column in columns))
        return shown

    def as_json(self) -> dict[str, Any]:
        """Return plain data, as ``lab selftest --json`` prints it."""
        labs = dict.fromkeys(one.title.partition("/")[0] for one in self.reports)
        return {
            "labs": {lab: dict(self.counts(lab)) for lab in labs},
            "problems": {lab: found for lab, found in self.problems.items() if found},
            "submissions": [asdict(one) for one in self.reports],
        }


def selftest(
    labs: Iterable[Lab],
    *,
    kinds: Iterable[str] = (),
    only: Iterable[str] = (),
    repeat: int = 1,
    jobs: int | None = None,
    tell: Callable[[Reported], None] = lambda _: None,
) -> Matrix:
    """Judge the submissions that the labs ship, several at a time: each judge has a network of its own."""
    labs = list(labs)
    wanted = [
        subject for lab in labs for subject in subjects(lab, kinds or KINDS) if not only or subject.folder.name in only
    ]
    matrix = Matrix(problems=problems(labs))
    with ThreadPoolExecutor(jobs or 3 * (os.cpu_count() or 1)) as pool:
        for reported in pool.map(judge, [subject for subject in wanted for _ in range(repeat)]):
            matrix.reports.append(reported)
            tell(reported)
    return matrix


def subjects(lab: Lab, kinds: Iterable[str]) -> list[Subject]:
    """Return the submissions of these kinds that a lab ships."""
    return [_subject(lab, kind, folder) for kind in kinds for folder in submissions(lab, kind)]


def judge(subject: Subject) -> Reported:
    """Judge one submission, and compare its verdict with the expected one."""
    verdict = asking.check(subject.lab, subject.folder)

    def named(outcome: Outcome) -> list[str]:
        return [one.name for one in verdict.checks if one.outcome is outcome]

    return Reported(
        title=subject.title,
        kind=subject.kind,
        must_fail=sorted(subject.fails),
        failed=named(Outcome.FAILED),
        blocked=named(Outcome.BLOCKED),
        undetermined=named(Outcome.UNDETERMINED),
        checks=[one.name for one in verdict.checks],
        differs=difference(subject, verdict),
    )


def difference(subject: Subject, verdict: Verdict) -> str:
    """Say how a verdict differs from the expected one; return an empty string when it does not."""
    if verdict.broken:
        broken = [f"{one.name}: {one.message}" for one in verdict.checks if one.outcome is Outcome.ERROR]
        return verdict.problem or "; ".join(broken) or "the judge did not finish"
    by_name = {one.name: one for one in verdict.checks}
    found = [f"this lab has no check {name}" for name in subject.fails - set(by_name)]
    found += [
        f"{name} had to fail, but its outcome is {by_name[name].outcome}"
        for name in sorted(subject.fails & set(by_name))
        if by_name[name].outcome is not Outcome.FAILED and not by_name[name].message.startswith(OUT_OF_PATIENCE)
    ]
    found += [
        f"{one.name} had to pass, but its outcome is {one.outcome}: {one.message}"
        for one in verdict.checks
        if one.name not in subject.fails and one.outcome in {Outcome.FAILED, Outcome.UNDETERMINED}
    ]
    first = next((one for one in verdict.checks if one.outcome is Outcome.FAILED), None)
    if first and subject.says and not any(words in f"{first.message}\n{first.evidence}" for words in subject.says):
        wanted = " or ".join(map(repr, subject.says))
        found.append(f"the feedback of {first.name} had to contain {wanted}: {first.message}")
    return "; ".join(found)


def _subject(lab: Lab, kind: str, folder: Path) -> Subject:
    if kind != "mistakes":
        return Subject(lab, kind, folder)
    try:
        said = tomllib.loads((folder / EXPECTATION).read_text())
        fails = frozenset(said["fails"])
    except OSError as error:
        raise UsageError(f"a mistake needs a file {folder / EXPECTATION}: {reason(error)}") from error
    except ValueError as error:
        raise UsageError(f"{folder / EXPECTATION}: {error}") from error
    except KeyError as error:
        raise UsageError(
            f"{folder / EXPECTATION}: {error} is missing, the list of the checks that must fail"
        ) from error
    says = said.get("says", [])
    return Subject(lab, kind, folder, fails, (says,) if isinstance(says, str) else tuple(says))

"""The judge's own test: every solution, alternative and mistake of a lab is judged, and compared with what it must get.

A solution or an alternative must pass everything. A mistake must fail exactly the checks that its ``mistake.toml``
names, with words in the feedback that name the bug; checks that depend on those are blocked; all others must pass.
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

from threadserver.judge import asking
from threadserver.judge.lab import Lab, submissions
from threadserver.judge.outcomes import Outcome, Verdict

KINDS = ("solution", "alternatives", "mistakes")
EXPECTATION = "mistake.toml"


@dataclass(frozen=True, slots=True)
class Subject:
    """A submission that the lab ships, with what it must lose."""

    lab: Lab
    kind: str
    folder: Path
    fails: frozenset[str] = frozenset()
    says: tuple[str, ...] = ()
    """One of these must be in the feedback of the first check that fails."""

    @property
    def title(self) -> str:
        """Its name among all of them."""
        return (
            f"{self.lab.name}/{self.folder.name}"
            if self.kind == "solution"
            else f"{self.lab.name}/{self.kind}/{self.folder.name}"
        )


@dataclass(frozen=True, slots=True)
class Reported:
    """One submission, judged once. ``differs`` says where the verdict is not what it must be."""

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
    """Who had to lose which check, and who did."""

    reports: list[Reported] = field(default_factory=list)

    @property
    def disagreements(self) -> list[Reported]:
        """The submissions whose verdict is not what it must be."""
        return [one for one in self.reports if one.differs]

    def counts(self, lab: str) -> Counter[str]:
        """Count the checks of a lab by what had to become of each and what did."""
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
        """One row a lab."""
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
        """Plain data."""
        labs = dict.fromkeys(one.title.partition("/")[0] for one in self.reports)
        return {
            "labs": {lab: dict(self.counts(lab)) for lab in labs},
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
    """Judge what the labs ship, several at a time: each judge has a network of its own."""
    wanted = [
        subject for lab in labs for subject in subjects(lab, kinds or KINDS) if not only or subject.folder.name in only
    ]
    matrix = Matrix()
    with ThreadPoolExecutor(jobs or 2 * (os.cpu_count() or 1)) as pool:
        for reported in pool.map(judge, [subject for subject in wanted for _ in range(repeat)]):
            matrix.reports.append(reported)
            tell(reported)
    return matrix


def subjects(lab: Lab, kinds: Iterable[str]) -> list[Subject]:
    """Everything of these kinds that a lab ships."""
    return [_subject(lab, kind, folder) for kind in kinds for folder in submissions(lab, kind)]


def judge(subject: Subject) -> Reported:
    """Judge one submission, and compare."""
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
    """Say in what a verdict is not what it must be; nothing when it is."""
    if verdict.broken:
        broken = [f"{one.name}: {one.message}" for one in verdict.checks if one.outcome is Outcome.ERROR]
        return verdict.problem or "; ".join(broken) or "the judge did not finish"
    by_name = {one.name: one for one in verdict.checks}
    found = [f"{name} is no check of this lab" for name in subject.fails - set(by_name)]
    found += [f"{name} had to fail and {by_name[name].outcome}" for name in sorted(subject.fails & set(by_name))
              if by_name[name].outcome is not Outcome.FAILED]  # fmt: skip
    for one in verdict.checks:
        if one.name not in subject.fails and one.outcome in {Outcome.FAILED, Outcome.UNDETERMINED}:
            found.append(f"{one.name} had to pass and {one.outcome}: {one.message}")
    first = next((one for one in verdict.checks if one.outcome is Outcome.FAILED), None)
    if first and subject.says and not any(words in f"{first.message}\n{first.evidence}" for words in subject.says):
        wanted = " or ".join(map(repr, subject.says))
        found.append(f"the feedback of {first.name} had to say {wanted}, it said: {first.message}")
    return "; ".join(found)


def _subject(lab: Lab, kind: str, folder: Path) -> Subject:
    if kind != "mistakes":
        return Subject(lab, kind, folder)
    said = tomllib.loads((folder / EXPECTATION).read_text())
    says = said.get("says", [])
    return Subject(lab, kind, folder, frozenset(said["fails"]), (says,) if isinstance(says, str) else tuple(says))

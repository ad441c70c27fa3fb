"""What a writer for a platform is given: a verdict in the making, and how the course counts it."""

from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from threadserver.core.labs import Lab
from threadserver.grading.course import Scheme
from threadserver.judge.outcomes import Outcome, Result, Verdict
from threadserver.submission.temporary import replace_file


@dataclass(frozen=True, slots=True)
class Told:
    """A verdict, complete or in the making."""

    lab: Lab
    scheme: Scheme
    verdict: Verdict
    known: list[Result]
    """All checks of the lab, those included that have not been judged yet."""

    @property
    def checks(self) -> list[Result]:
        """What was judged so far, with the points of this course."""
        return self.scheme.scored(self.verdict.checks, self.known)


class Writer(Protocol):
    """A format. It is called after every check, and must leave a whole result each time."""

    def write(self, told: Told) -> None:
        """Write the result so far."""

    def end(self, told: Told) -> int:
        """Write the final result; return the exit code."""


def write_whole(target: Path, data: bytes) -> None:
    """Write a file that the platform may read, whole or not at all."""
    target.parent.mkdir(parents=True, exist_ok=True)
    replace_file(target, data, mode=0o644)


def described(check: Result) -> str:
    """Return what a student reads about a check: what happened, what came, what the kernel showed, what to do."""
    parts = [check.message]
    if check.outcome is Outcome.UNDETERMINED:
        parts.insert(0, "Not decided: the points count, and a person will look at the evidence.")
    for title, text in (("On the wire", check.transcript), ("Inside the server", check.evidence), ("Hint", check.hint)):
        if text:
            parts.append(f"{title}:\n{text}")
    return "\n\n".join(filter(None, parts))


def seen_again(told: Told) -> str:
    """Return how a student sees the verdict again at home."""
    return f"threadserver lab check YOUR_FOLDER --lab {told.lab.name} --seed {told.verdict.seed}"

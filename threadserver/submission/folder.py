"""A submission is a folder: with server.py, or with a Makefile that builds ./server, or with a program ./server."""

from dataclasses import dataclass
from pathlib import Path

from threadserver.errors import KitError


class SubmissionError(KitError):
    """A folder that is no submission, or one that cannot be built."""

    def __init__(self, message: str, contract: str = "", output: str = "") -> None:
        super().__init__(message)
        self.contract = contract
        """The line of the contract that it breaks."""
        self.output = output
        """Its own words, made safe to show."""


@dataclass(frozen=True, slots=True)
class Submission:
    """A folder whose kind is known."""

    folder: Path
    role: str
    kind: str
    notes: tuple[str, ...] = ()


def find(folder: Path | str, role: str = "server") -> Submission:
    """Say what kind of submission a folder is. Raises SubmissionError when it is none."""
    folder = Path(folder)
    if (folder / f"{role}.py").is_file():
        return Submission(folder, role, "python")
    if (folder / "Makefile").is_file() or (folder / role).is_file():
        return Submission(folder, role, "program")
    raise SubmissionError(f"no {role}.py in {folder}")

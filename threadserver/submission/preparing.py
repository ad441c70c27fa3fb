"""A private copy of a submission, built where it must be: what is judged cannot change while it is judged."""

import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from threadserver.submission.containment import Containment, own_user, python_for
from threadserver.submission.folder import Submission, SubmissionError
from threadserver.submission.limits import MIB
from threadserver.submission.place import Place, place

MOST_FILES = 2000
MOST_BYTES = 64 * MIB
_LEFT_OUT = {".git", "__pycache__", ".venv", ".mypy_cache", ".pytest_cache", ".ruff_cache"}


@dataclass(frozen=True, slots=True)
class Prepared:
    """A submission that can be started."""

    submission: Submission
    containment: Containment
    place: Place
    notes: tuple[str, ...] = ()
    """Remarks for the student that are no errors."""

    @property
    def command(self) -> list[str]:
        """How it is started, up to HOST and PORT."""
        if self.submission.kind == "python":
            return [str(python_for(self.containment, self.place)), f"{self.submission.role}.py"]
        return [f"./{self.submission.role}"]


@contextmanager
def prepared(submission: Submission, containment: Containment, *, kit: bool = False) -> Iterator[Prepared]:
    """Copy a submission to a place of its own and build it; ``kit``: it may import threadserver.

    Raises SubmissionError when it is too large or cannot be built.
    """
    with place(own_user=own_user(containment), kit=kit) as made:
        notes = _Copy(submission.folder, made).run()
        yield Prepared(submission, containment, made, submission.notes + tuple(notes))


class _Copy:
    def __init__(self, source: Path, place: Place) -> None:
        self._source = source
        self._place = place
        self._files = self._bytes = 0
        self._notes: list[str] = []

    def run(self) -> list[str]:
        self._folder(self._source, self._place.copy)
        return self._notes

    def _folder(self, source: Path, target: Path) -> None:
        for entry in sorted(os.scandir(source), key=lambda entry: entry.name):
            if entry.name in _LEFT_OUT:
                continue
            self._files += 1
            if self._files > MOST_FILES:
                raise SubmissionError(f"{self._source} holds more than {MOST_FILES} files")
            path = target / entry.name
            if entry.is_dir(follow_symlinks=False):
                path.mkdir()
                self._folder(Path(entry.path), path)
                self._place.give(path, 0o750)
            elif entry.is_symlink():
                self._link(Path(entry.path), path)
            else:
                self._file(Path(entry.path), path)

    def _link(self, source: Path, target: Path) -> None:
        """Copy a link as a link, if it leads to something in the folder."""
        found = source.resolve()
        if found.is_relative_to(self._source.resolve()):
            target.symlink_to(os.path.relpath(found, source.parent.resolve()))
        else:
            self._notes.append(f"{source.relative_to(self._source)} leads out of the folder and was left out")

    def _file(self, source: Path, target: Path) -> None:
        descriptor = os.open(source, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
        with open(descriptor, "rb") as file:
            seen = os.fstat(descriptor)
            if not stat.S_ISREG(seen.st_mode):
                self._notes.append(f"{source.relative_to(self._source)} is no file and was left out")
                return
            data = file.read(MOST_BYTES - self._bytes + 1)
        self._bytes += len(data)
        if self._bytes > MOST_BYTES:
            raise SubmissionError(f"{self._source} holds more than {MOST_BYTES // MIB} MiB")
        target.write_bytes(data)
        self._place.give(target, 0o750 if seen.st_mode & 0o100 else 0o640)

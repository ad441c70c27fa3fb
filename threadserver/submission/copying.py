"""Copying a folder that somebody handed in: bounded, and without following what leads out of it."""

import os
import stat
from pathlib import Path

from threadserver.core.errors import KitError
from threadserver.submission.folder import LEFT_OUT, SubmissionError
from threadserver.submission.limits import MIB
from threadserver.submission.place import Place

MOST_FILES = 2000
MOST_BYTES = 64 * MIB
SIZE = f"A submission holds at most {MOST_FILES} files, and {MOST_BYTES // MIB} MiB."
"""A line of the contract."""


def copy(source: Path, place: Place) -> list[str]:
    """Copy a folder into a place; give remarks on what was left out. Raises SubmissionError when it is too large."""
    copying = _Copying(source.resolve(), place)
    copying.folder(source.resolve(), place.copy)
    return copying.notes


class _Copying:
    def __init__(self, root: Path, place: Place) -> None:
        self._root = root
        self._place = place
        self._files = self._bytes = 0
        self.notes: list[str] = []

    def folder(self, source: Path, target: Path) -> None:
        for entry in sorted(os.scandir(source), key=lambda entry: entry.name):
            if entry.name in LEFT_OUT:
                continue
            self._files += 1
            if self._files > MOST_FILES:
                raise SubmissionError(f"{self._root} holds more than {MOST_FILES} files", SIZE)
            self._entry(Path(entry.path), target / entry.name)

    def _entry(self, source: Path, target: Path) -> None:
        try:
            mode = source.lstat().st_mode
            if stat.S_ISDIR(mode):
                target.mkdir()
                self.folder(source, target)
                self._place.give(target, 0o750)
            elif stat.S_ISLNK(mode):
                self._link(source, target)
            elif stat.S_ISREG(mode):
                self._file(source, target)
            else:
                self._leave_out(source, "is no file")
        except PermissionError as error:
            raise KitError(f"cannot read {source}: permission denied") from error

    def _link(self, source: Path, target: Path) -> None:
        """Copy a link as a link, if it leads to something in the folder."""
        found = source.resolve()
        if not found.is_relative_to(self._root):
            self._leave_out(source, "leads out of the folder")
        else:
            target.symlink_to(os.path.relpath(found, source.parent))

    def _file(self, source: Path, target: Path) -> None:
        descriptor = os.open(source, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
        with open(descriptor, "rb") as file:
            seen = os.fstat(descriptor)
            data = file.read(MOST_BYTES - self._bytes + 1)
        self._bytes += len(data)
        if self._bytes > MOST_BYTES:
            raise SubmissionError(f"{self._root} holds more than {MOST_BYTES // MIB} MiB", SIZE)
        target.write_bytes(data)
        os.utime(target, ns=(seen.st_atime_ns, seen.st_mtime_ns))  # make goes by it
        self._place.give(target, 0o750 if seen.st_mode & stat.S_IXUSR else 0o640)

    def _leave_out(self, source: Path, why: str) -> None:
        self.notes.append(f"{source.relative_to(self._root)} {why} and was left out")

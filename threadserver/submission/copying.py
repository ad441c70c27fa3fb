"""Copying a submitted folder: bounded, and without following links that lead out of it."""

import errno
import os
import stat
from pathlib import Path

from threadserver.core.errors import reason
from threadserver.core.printable import printable
from threadserver.submission.folder import LEFT_OUT, SubmissionError
from threadserver.submission.limits import MIB
from threadserver.submission.machine_error import MachineError
from threadserver.submission.place import Place

MOST_FILES = 2000
MOST_BYTES = 64 * MIB
DEEPEST = 32
MOST_SHOWN = 100  # characters of a path
SIZE = f"A submission holds at most {MOST_FILES} files, {MOST_BYTES // MIB} MiB, and folders in folders {DEEPEST} deep."
"""A line of the contract."""


def copy(source: Path, place: Place) -> list[str]:
    """Copy a folder into a place; return remarks on what was left out.

    Raises SubmissionError when it is too large or too deep, MachineError when it cannot be read or the disk is full.
    """
    root = source.resolve()
    if place.folder.resolve().is_relative_to(root):
        raise MachineError(
            f"the copy of {root} would lie inside that folder, in {place.folder}: set TMPDIR to another folder"
        )
    copying = _Copying(root, place)
    copying.folder(root, place.copy, 0)
    return copying.notes


class _Copying:
    def __init__(self, root: Path, place: Place) -> None:
        self._root = root
        self._place = place
        self._files = self._bytes = 0
        self.notes: list[str] = []

    def folder(self, source: Path, target: Path, depth: int) -> None:
        if depth > DEEPEST:
            raise SubmissionError(f"its folders are nested more than {DEEPEST} deep", SIZE)
        try:
            entries = sorted(os.scandir(source), key=lambda entry: entry.name)
        except OSError as error:
            raise self._why(source, error) from error
        for entry in entries:
            if entry.name in LEFT_OUT:
                continue
            self._files += 1
            if self._files > MOST_FILES:
                raise SubmissionError(f"it holds more than {MOST_FILES} files", SIZE)
            self._entry(Path(entry.path), target / entry.name, depth)

    def _entry(self, source: Path, target: Path, depth: int) -> None:
        try:
            mode = source.lstat().st_mode
            if stat.S_ISDIR(mode):
                target.mkdir()
                self.folder(source, target, depth + 1)
                self._place.give(target, 0o750)
            elif stat.S_ISLNK(mode):
                self._link(source, target)
            elif stat.S_ISREG(mode):
                self._file(source, target)
            else:
                self._leave_out(source, "is not a file")
        except OSError as error:
            raise self._why(source, error) from error

    def _why(self, source: Path, error: OSError) -> "SubmissionError | MachineError":
        """Return the error for a file that cannot be copied: the submission's fault or the machine's."""
        name = _shown(source.relative_to(self._root))
        if error.errno in {errno.ENAMETOOLONG, errno.ELOOP}:
            return SubmissionError(f"the path of {name} is too long to be copied", SIZE)
        if error.errno in {errno.EACCES, errno.EPERM}:
            return MachineError(f"cannot read {name}: {reason(error)}; the judge needs permission to read it")
        folder = self._place.folder.parent
        return MachineError(f"cannot copy {name} to {folder}: {reason(error)}; set TMPDIR to another folder")

    def _link(self, source: Path, target: Path) -> None:
        """Copy a link as a link, if it leads to something in the folder."""
        try:
            found = source.resolve()
        except RuntimeError:
            self._leave_out(source, "is a link that leads in a circle")
            return
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
            raise SubmissionError(f"it holds more than {MOST_BYTES // MIB} MiB", SIZE)
        target.write_bytes(data)
        os.utime(target, ns=(seen.st_atime_ns, seen.st_mtime_ns))  # make depends on it
        self._place.give(target, 0o750 if seen.st_mode & stat.S_IXUSR else 0o640)

    def _leave_out(self, source: Path, why: str) -> None:
        self.notes.append(f"{_shown(source.relative_to(self._root))} {why} and was left out")


def _shown(path: Path) -> str:
    """Return a path that fits a line, whatever it holds."""
    text = printable(str(path))
    return text if len(text) <= MOST_SHOWN else f"{text[: MOST_SHOWN // 2]}…{text[-MOST_SHOWN // 2 :]}"

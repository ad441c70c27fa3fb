"""The copies that are judged: each is kept under the hash of its content, so that any verdict can be checked again.

A hand-in may be a folder, an archive, an archive in a folder, or several files; the submission may lie a folder deeper.
All of these come to one thing here: a bounded copy of the files that the student wrote. Two hand-ins with the same
content share a copy, and so a verdict.
"""

import hashlib
import os
import shutil
import stat
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from threadserver.core.errors import KitError, reason
from threadserver.grading.archives import JUNK, ArchiveError, is_archive, is_foreign, unpack
from threadserver.grading.exports import HandIn
from threadserver.submission.copying import copy
from threadserver.submission.folder import SubmissionError
from threadserver.submission.place import Place
from threadserver.submission.temporary import remove

DEEPEST = 5
"""How many folders in a folder, or archives in an archive, are unwrapped."""
_UNFINISHED = ".unfinished-"


@dataclass(frozen=True, slots=True)
class Copy:
    """The result of copying one hand-in."""

    content: str
    """The hash of its files; empty when it was refused."""
    problem: str = ""
    """Why it was refused."""
    notes: tuple[str, ...] = ()
    """What was left out of it."""


class Copies:
    """The folder that holds all copies. Only its owner may read it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        for left in folder.glob(f"{_UNFINISHED}*"):  # by a run that was killed
            remove(left)

    def of(self, content: str) -> Path:
        """Return the folder of the copy with this content."""
        return self.folder / content

    def keep(self, hand_in: HandIn) -> Copy:
        """Copy what was handed in. Raises MachineError when this machine cannot."""
        with self._work() as work:
            try:
                notes = copy(_seen_through(_gathered(hand_in, work), work), Place(work, None, kit=False, mounted=False))
            except (ArchiveError, SubmissionError) as error:
                return Copy("", str(error))
            made = work / "submission"
            _sweep(made, hand_in.left_out)
            content = _hash(made)
            if not self.of(content).is_dir():
                made.rename(self.of(content))
            return Copy(content, notes=tuple(notes))

    @contextmanager
    def _work(self) -> Iterator[Path]:
        try:
            work = Path(tempfile.mkdtemp(prefix=_UNFINISHED, dir=self.folder))
            (work / "submission").mkdir()
        except OSError as error:
            raise KitError(f"cannot write in {self.folder}: {reason(error)}") from error
        try:
            yield work
        finally:
            remove(work)


def _gathered(hand_in: HandIn, work: Path) -> Path:
    """Return one folder with everything that was handed in."""
    if len(hand_in.files) == 1 and hand_in.files[0][1].is_dir():
        return hand_in.files[0][1]
    folder = work / "gathered"
    folder.mkdir()
    for name, path in hand_in.files:
        if path.is_dir():
            shutil.copytree(path, folder / (name or path.name), symlinks=True)
        else:
            shutil.copy2(path, folder / (Path(name).name or path.name), follow_symlinks=False)
    return folder


def _seen_through(folder: Path, work: Path) -> Path:
    """Go down as long as there is only one folder or one archive. Raises ArchiveError."""
    for depth in range(DEEPEST):
        inner = [one for one in sorted(folder.iterdir()) if not _is_junk(one.name)]
        if len(inner) != 1 or inner[0].is_symlink():
            break
        if inner[0].is_dir():
            folder = inner[0]
        elif is_archive(inner[0]):
            folder = work / f"unpacked-{depth}"
            folder.mkdir()
            unpack(inner[0], folder)
        elif is_foreign(inner[0]):
            raise ArchiveError(f"{inner[0].name} cannot be unpacked: hand in a zip or tar file")
        else:
            break
    return folder


def _is_junk(name: str) -> bool:
    return name in JUNK or name.startswith("._")


def _sweep(folder: Path, also: frozenset[str]) -> None:
    """Remove what no student wrote."""
    for entry in list(folder.iterdir()):
        if _is_junk(entry.name) or entry.name in also:
            remove(entry) if entry.is_dir() and not entry.is_symlink() else entry.unlink()
        elif entry.is_dir() and not entry.is_symlink():
            _sweep(entry, frozenset())


def _hash(folder: Path) -> str:
    """Return a hash of all names, contents, links and run bits in a folder."""
    found = hashlib.sha256()
    for path in sorted(folder.rglob("*")):
        mode = path.lstat().st_mode
        data = os.fsencode(path.readlink()) if stat.S_ISLNK(mode) else path.read_bytes() if stat.S_ISREG(mode) else b""
        kind = f"{stat.S_IFMT(mode):o} {bool(mode & stat.S_IXUSR):d} {len(data)} "
        found.update(kind.encode() + os.fsencode(path.relative_to(folder)) + b"\0" + data)
    return found.hexdigest()[:20]

"""Unpacking a submitted archive: bounded, and with no way out of the folder that it is unpacked into.

A zip or tar file may name absolute paths, climb with ``..``, hold links that lead elsewhere, devices, a million
members, or a few bytes that unpack to many gigabytes. Such an archive is refused as a whole, with a clear message.
Folders that no student wrote, such as ``.git`` and ``__MACOSX``, are left out.
"""

import bz2
import gzip
import io
import lzma
import os
import re
import stat
import struct
import tarfile
import time
import zipfile
import zlib
from collections.abc import Callable, Generator
from contextlib import closing, suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import IO

from threadserver.core.errors import KitError, reason
from threadserver.core.printable import printable
from threadserver.submission.copying import DEEPEST, MOST_BYTES, MOST_SHOWN
from threadserver.submission.folder import LEFT_OUT
from threadserver.submission.limits import GIB, MIB

ZIP = (".zip",)
TAR = (".tar", ".tar.gz", ".tgz", ".tar.bz2", ".tbz2", ".tar.xz", ".txz")
FOREIGN = (".7z", ".rar", ".gz", ".bz2", ".xz")
JUNK = LEFT_OUT | {"__MACOSX", ".DS_Store", "Thumbs.db", "desktop.ini", ".idea", ".vscode", ".threadserver.toml"}
"""Names that a system, an editor or the kit left behind."""
_DIRECTORY_ENTRY = 400
"""Bytes that one member may take in a zip file's directory, its name included."""
_FAULTS = (zipfile.BadZipFile, tarfile.TarError, zlib.error, lzma.LZMAError, EOFError, NotImplementedError, ValueError,
           RuntimeError, struct.error, OSError)  # fmt: skip
"""What the standard library raises for archives that are damaged, encrypted or made to confuse it."""


@dataclass(frozen=True, slots=True)
class Bounds:
    """How much an archive may hold."""

    members: int
    size: int
    """Bytes, unpacked."""
    depth: int
    hostile: bool
    """True when a student made the archive: then a link or a device is a reason to refuse it."""


SUBMISSION = Bounds(10_000, MOST_BYTES, DEEPEST, hostile=True)
EXPORT = Bounds(1_000_000, 16 * GIB, 2 * DEEPEST, hostile=False)
"""A platform packs a whole class: links in it are students', and are left out of their hand-ins."""


class ArchiveError(KitError):
    """An archive that is refused, or that cannot be read."""

    def __init__(self, message: str) -> None:
        super().__init__(printable(message))


@dataclass(slots=True)
class _Member:
    name: str
    kind: str
    """``file``, ``folder``, ``link`` or ``device``."""
    executable: bool
    modified: float | None
    """Seconds since 1970."""
    open: Callable[[], IO[bytes] | None]


def is_archive(path: Path) -> bool:
    """Tell from its name whether a file is an archive that can be unpacked."""
    return path.name.lower().endswith(ZIP + TAR)


def is_foreign(path: Path) -> bool:
    """Tell from its name whether a file is an archive of a kind that cannot be unpacked."""
    return path.name.lower().endswith(FOREIGN) and not is_archive(path)


def stem(path: Path) -> str:
    """Return a file's name without the ending that says which archive it is."""
    lower = path.name.lower()
    ending = next((one for one in sorted(ZIP + TAR, key=len, reverse=True) if lower.endswith(one)), "")
    return path.name[: len(path.name) - len(ending)]


def unpack(archive: Path, target: Path, bounds: Bounds = SUBMISSION) -> None:
    """Unpack an archive into an empty folder. Raises ArchiveError, in a line that says why, for a bad one."""
    members = _zip_members if archive.name.lower().endswith(ZIP) else _tar_members
    unpacking = _Unpacking(target, bounds)
    try:
        with closing(members(archive, bounds)) as found:
            for member in found:
                unpacking.add(member)
    except _FAULTS as error:
        why = reason(error) if isinstance(error, OSError) and error.errno else str(error)
        raise ArchiveError(f"{archive.name} cannot be unpacked: {why or type(error).__name__}") from error


class _Unpacking:
    """Writes members into a folder that holds nothing else, so no link can lead out of it."""

    def __init__(self, target: Path, bounds: Bounds) -> None:
        self._target = target
        self._bounds = bounds
        self._members = self._bytes = 0

    def add(self, member: _Member) -> None:
        self._members += 1
        if self._members > self._bounds.members:
            raise ArchiveError(f"it holds more than {self._bounds.members} files and folders")
        parts = _parts(member.name)
        if len(parts) > self._bounds.depth:
            raise ArchiveError(f"{_shown(member.name)}: its folders are nested more than {self._bounds.depth} deep")
        if any(part in JUNK or part.startswith("._") for part in parts) or not parts:
            return
        if member.kind in {"link", "device"}:
            if self._bounds.hostile:
                raise ArchiveError(f"{_shown(member.name)} is a {member.kind}; hand in files and folders only")
            return
        self._write(member, self._target.joinpath(*parts))

    def _write(self, member: _Member, target: Path) -> None:
        try:
            if member.kind == "folder":
                target.mkdir(parents=True, exist_ok=True)
                return
            target.parent.mkdir(parents=True, exist_ok=True)
            with target.open("xb") as written:
                self._copy(member, written)
        except (FileExistsError, NotADirectoryError):
            raise ArchiveError(f"{_shown(member.name)} is in it twice") from None
        target.chmod(0o755 if member.executable else 0o644)
        if member.modified is not None:
            with suppress(OSError, OverflowError):
                os.utime(target, (member.modified, member.modified))

    def _copy(self, member: _Member, written: IO[bytes]) -> None:
        source = member.open()
        assert source is not None  # noqa: S101
        with source:
            while data := source.read(65_536):
                self._bytes += len(data)
                if self._bytes > self._bounds.size:
                    raise ArchiveError(f"it unpacks to more than {self._bounds.size // MIB} MiB")
                written.write(data)


def _parts(name: str) -> list[str]:
    """Return the folders and the name that a member's path holds. Raises ArchiveError when it leads elsewhere."""
    if "/" not in name:
        name = name.replace("\\", "/")  # some Windows programs write these, against the specification
    if name.startswith("/") or re.match(r"[A-Za-z]:[/\\]", name):
        raise ArchiveError(f"{_shown(name)} is an absolute path")
    parts = [part for part in name.split("/") if part not in {"", "."}]
    if ".." in parts:
        raise ArchiveError(f"{_shown(name)} climbs out of its folder")
    return parts


def _shown(name: str) -> str:
    return name if len(name) <= MOST_SHOWN else f"{name[:MOST_SHOWN]}…"


# Zip.


def _zip_members(path: Path, bounds: Bounds) -> Generator[_Member, None, None]:
    if bounds.hostile:
        _check_directory(path, bounds)
    with zipfile.ZipFile(path) as archive:
        for info in archive.infolist():
            mode = info.external_attr >> 16
            kind = "folder" if info.is_dir() else _kind(mode) if info.create_system == 3 else "file"
            when, executable = _zip_time(info), bool(mode & 0o100)
            yield _Member(info.filename, kind, executable, when, partial(archive.open, info))


def _kind(mode: int) -> str:
    if stat.S_ISLNK(mode):
        return "link"
    return "file" if stat.S_ISREG(mode) or not stat.S_IFMT(mode) else "device"


def _zip_time(info: zipfile.ZipInfo) -> float | None:
    """Return when a member was changed; a zip file says it in the local time of the machine that wrote it."""
    try:
        return time.mktime((*info.date_time, 0, 0, -1))
    except (ValueError, OverflowError):
        return None


def _check_directory(path: Path, bounds: Bounds) -> None:
    """Refuse a zip file with a huge directory before it is read into memory (its end record: APPNOTE.TXT, 4.3.16)."""
    with path.open("rb") as file:
        file.seek(max(0, path.stat().st_size - 65_557))
        tail = file.read()
    at = tail.rfind(b"PK\x05\x06")
    size = int.from_bytes(tail[at + 12 : at + 16], "little") if at >= 0 else 0
    if size > bounds.members * _DIRECTORY_ENTRY:
        raise ArchiveError(f"it holds more than {bounds.members} files and folders")


# Tar.


def _tar_members(path: Path, bounds: Bounds) -> Generator[_Member, None, None]:
    openers = {b"\x1f\x8b": gzip.open, b"BZ": bz2.open, b"\xfd7": lzma.open}
    with path.open("rb") as file:
        opener = openers.get(file.read(2), open)
    most = bounds.size + 2 * MIB + bounds.members * 1024  # members have headers, and are rounded up to 512 bytes
    with (
        opener(path, "rb") as plain,  # type: ignore[operator]
        tarfile.open(fileobj=_Bounded(plain, most), mode="r|") as archive,
    ):
        for info in archive:
            kind = "folder" if info.isdir() else "file" if info.isreg() else "link" if _links(info) else "device"
            yield _Member(info.name, kind, bool(info.mode & 0o100), info.mtime, partial(archive.extractfile, info))


def _links(info: tarfile.TarInfo) -> bool:
    return info.issym() or info.islnk()


class _Bounded(io.RawIOBase):
    """Reads a stream, but only so far: a tar header may announce any size, and tarfile believes it."""

    def __init__(self, source: IO[bytes], most: int) -> None:
        super().__init__()
        self._source = source
        self._left = most
        self._most = most

    def read(self, size: int = -1, /) -> bytes:
        data = self._source.read(size if 0 <= size <= self._left else self._left + 1)
        self._left -= len(data)
        if self._left < 0:
            raise ArchiveError(f"it unpacks to more than {self._most // MIB} MiB")
        return data

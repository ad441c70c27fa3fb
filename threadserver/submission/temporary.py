"""Where private copies are made: a folder for temporary files in which programs may also run.

Python's own choice may be the current folder, which may be the submission itself, so it is not used.
"""

import fcntl
import os
import shutil
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from threadserver.core.errors import reason
from threadserver.submission.machine_error import MachineError

FOLDERS = ("/tmp", "/var/tmp", "/usr/tmp", "/dev/shm", "/run")  # noqa: S108
"""The folders to try after $TMPDIR, $TEMP and $TMP."""
_PREFIX = "threadserver-"
STALE = 60.0
"""Seconds after which an unlocked folder counts as abandoned if its maker is in another process namespace."""


def temporary_folder() -> Path:
    """Return a folder for temporary files: one where programs may run, if there is one.

    Raises MachineError when there is none that we may write to.
    """
    writable, why = [], []
    for folder in candidates():
        if problem := _problem(folder):
            why.append(f"{folder}: {problem}")
        elif runs_programs(folder):
            return folder
        else:
            writable.append(folder)
    if writable:
        return writable[0]
    raise MachineError(f"no folder for temporary files is writable ({'; '.join(why)}): set TMPDIR to one that is")


def candidates() -> Iterator[Path]:
    """Yield this machine's folders for temporary files, those that the user has chosen first."""
    named = [Path(os.environ[name]) for name in ("TMPDIR", "TEMP", "TMP") if os.environ.get(name)]
    for folder in dict.fromkeys([*named, *map(Path, FOLDERS)]):
        if folder.is_absolute() and folder.is_dir():
            yield folder


def runs_programs(folder: Path) -> bool:
    """Tell whether programs may be run from a folder's file system."""
    return not os.statvfs(folder).f_flag & os.ST_NOEXEC


def _problem(folder: Path) -> str:
    """Return why a folder cannot be used, found by making a file in it; empty when it can."""
    try:
        with tempfile.TemporaryFile(dir=folder) as file:
            file.write(b"x" * 4096)
    except OSError as error:
        with suppress(OSError):
            return reason(error)
    return ""


@contextmanager
def own_folder(what: str) -> Iterator[Path]:
    """Make a folder for this process, and remove it in the end; if this process is killed, the next one removes it.

    Raises MachineError when no folder can be made.
    """
    remove_stale()
    base = temporary_folder()
    try:
        folder = Path(tempfile.mkdtemp(prefix=f"{_PREFIX}{what}-{_maker(os.getpid())}-", dir=base))
    except OSError as error:
        raise MachineError(f"cannot make a folder in {base}: {reason(error)}") from error
    try:
        with _held(folder):
            yield folder
    finally:
        remove(folder)


def remove(folder: Path) -> None:
    """Remove a folder with its content, as far as possible, however deep it is."""
    with suppress(RecursionError):
        shutil.rmtree(folder, ignore_errors=True)
    if folder.exists():  # rm(1) has no limit on the length of a path
        subprocess.run(["rm", "-rf", "--", str(folder)], capture_output=True, check=False)  # noqa: S607


def remove_stale() -> None:
    """Remove the folders of processes that were killed before they could do it themselves."""
    for base in candidates():
        with suppress(OSError):
            for entry in list(os.scandir(base)):
                with suppress(OSError):
                    _remove_if_stale(entry)


def _remove_if_stale(entry: "os.DirEntry[str]") -> None:
    if not entry.name.startswith(_PREFIX) or not entry.is_dir(follow_symlinks=False):
        return
    seen = entry.stat(follow_symlinks=False)
    if seen.st_uid == os.geteuid() and _is_abandoned(entry.name, seen.st_mtime):
        with _held(Path(entry.path)) as free:
            if free:
                remove(Path(entry.path))


def _is_abandoned(name: str, made: float) -> bool:
    """Tell whether the maker has ended. In another process namespace we cannot see it, so the folder's age decides."""
    words = name.split("-")
    if len(words) < 5 or not words[3].isdecimal():
        return False
    if words[2] == _namespace():
        return f"{words[2]}-{words[3]}-{words[4]}" != _maker(int(words[3]))
    return time.time() - made >= STALE


def _maker(pid: int) -> str:
    """Return a unique name of a process: its namespace, its id, and when it began (proc(5), /proc/PID/stat)."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_bytes().rpartition(b")")[2].split()
        began = fields[19].decode() if fields[0] != b"Z" else "ended"
    except OSError:
        began = "ended"
    return f"{_namespace()}-{pid}-{began}"


def _namespace() -> str:
    try:
        return str(os.stat("/proc/self/ns/pid").st_ino)  # noqa: PTH116
    except OSError:
        return "0"


@contextmanager
def _held(folder: Path) -> Iterator[bool]:
    """Lock a folder while the block lasts, or until this process ends: flock(2). Yields False when another has it."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        yield True
    except BlockingIOError:
        yield False
    finally:
        os.close(descriptor)


def replace_file(target: Path, data: bytes, mode: int = 0o600) -> None:
    """Write a file whole, or not at all; a link in its place is replaced, and not followed. Raises OSError."""
    with tempfile.NamedTemporaryFile(dir=target.parent, prefix=f".{target.name}-", delete=False) as beside:
        beside.write(data)
    Path(beside.name).chmod(mode)
    Path(beside.name).replace(target)

"""A place for a submission while it is looked at: a folder of ours for its private copy, and who it runs as."""

import fcntl
import os
import pwd
import shutil
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import cache
from itertools import count
from pathlib import Path

from threadserver.core.errors import KitError

_PREFIX = "threadserver-place-"
STALE = 60.0  # seconds after which a place that nobody holds is that of a judge that was killed
_FIRST, _NUMBER = 61_000, 4_000  # user ids above people's and services', below nobody's
_places = count()


@dataclass(frozen=True, slots=True)
class Place:
    """One submission's place. As root each has a user id of its own, and what is in it is for that user and us."""

    folder: Path
    user: int | None
    kit: bool
    """True when the submission may import threadserver."""

    mounted: bool
    """True when the keeper may show folders in it, in a mount namespace; it must for a submission's own user."""

    @property
    def copy(self) -> Path:
        """The private copy."""
        return self.folder / "submission"

    def give(self, path: Path, mode: int) -> None:
        """Let the submission's user, and nobody else but us, read a file or folder."""
        if self.user is not None:
            os.chown(path, 0, self.user, follow_symlinks=False)
        path.chmod(mode)

    def hand_over(self, user: int) -> None:
        """Make a user the owner of the private copy, for as long as it builds there."""
        for path, folders, files in os.walk(self.copy):
            for name in (".", *folders, *files):
                os.chown(Path(path, name), user, -1, follow_symlinks=False)

    def sweep(self) -> None:
        """Remove what its user has left in folders that are everybody's."""
        for folder in ("/tmp", "/var/tmp", "/dev/shm"):  # noqa: S108
            for entry in os.scandir(folder) if Path(folder).is_dir() else ():
                with suppress(FileNotFoundError):  # others remove theirs meanwhile
                    if entry.stat(follow_symlinks=False).st_uid != self.user:
                        continue
                    if entry.is_dir(follow_symlinks=False):
                        shutil.rmtree(entry.path, ignore_errors=True)
                    else:
                        Path(entry.path).unlink()


@contextmanager
def place(*, own_user: bool, kit: bool = False) -> Iterator[Place]:
    """Make a place; it is removed in the end."""
    remove_stale()
    with tempfile.TemporaryDirectory(prefix=_PREFIX, ignore_cleanup_errors=True) as name, _held(Path(name)):
        made = Place(Path(name), _free_user() if own_user else None, kit, own_user and may_mount())
        made.give(made.folder, 0o750)
        for part in ("submission", "python", "kit", "kit/threadserver", "empty"):
            (made.folder / part).mkdir()
            made.give(made.folder / part, 0o750)
        try:
            yield made
        finally:
            if made.user is not None and not made.mounted:
                made.sweep()


@contextmanager
def _held(folder: Path) -> Iterator[bool]:
    """Lock a folder while the block lasts, and no longer than we live: flock(2). Gives False when another has it."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        yield True
    except BlockingIOError:
        yield False
    finally:
        os.close(descriptor)


def remove_stale() -> None:
    """Remove the places of judges that were killed, and could not do it themselves."""
    for entry in os.scandir(tempfile.gettempdir()):
        with suppress(OSError):
            seen = entry.stat(follow_symlinks=False)
            ours = entry.name.startswith(_PREFIX) and seen.st_uid == os.geteuid()
            if ours and entry.is_dir(follow_symlinks=False) and time.time() - seen.st_mtime >= STALE:
                with _held(Path(entry.path)) as free:
                    if free:
                        shutil.rmtree(entry.path, ignore_errors=True)


def may_change_user() -> bool:
    """Tell whether we are root, and of a user namespace that knows more users than root."""
    if os.geteuid() != 0:
        return False
    with suppress(OSError, ValueError):
        for line in Path("/proc/self/uid_map").read_text().splitlines():
            first, _, number = map(int, line.split())
            if first <= _FIRST and first + number >= _FIRST + _NUMBER:
                return True
    return False


@cache
def may_mount() -> bool:
    """Tell whether we may make a mount namespace, by making one."""
    unshare = shutil.which("unshare")
    return unshare is not None and subprocess.run([unshare, "--mount", "true"], capture_output=True).returncode == 0


def _free_user() -> int:
    taken = set()
    for entry in os.scandir("/proc"):
        with suppress(OSError):
            taken.add(entry.stat().st_uid)
    for offset in range(_NUMBER):
        user = _FIRST + (os.getpid() + next(_places) + offset) % _NUMBER
        if user not in taken and not _has_name(user):
            return user
    raise KitError(f"no user id is free between {_FIRST} and {_FIRST + _NUMBER}")


def _has_name(user: int) -> bool:
    try:
        pwd.getpwuid(user)
    except KeyError:
        return False
    return True

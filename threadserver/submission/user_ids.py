"""User ids of submissions: each is reserved while it is used, so that no judge ends another's submission.

The judge kills all processes of a user id at once, and the kernel counts tasks by user id; so two submissions must
never share one. A judge reserves an id by locking a file (flock(2)). The submission's keeper holds the same lock, so it
lasts until the last process has ended, even if the judge is killed. Judges in containers that share nothing have no
conflict: neither sees the other's processes.
"""

import fcntl
import os
import pwd
import random
import stat
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from threadserver.submission.machine_error import MachineError

FIRST, NUMBER = 61_000, 4_000
"""Above the ids of people and services, below that of the user `nobody`."""
FOLDERS = ("/run/threadserver", "/dev/shm/threadserver", "/var/tmp/threadserver", "/tmp/threadserver")  # noqa: S108
"""Folders for the locks: the first that can be made, and that only root can write, is used."""


@dataclass(frozen=True, slots=True)
class Reserved:
    """A user id that no other submission uses, and the descriptor of its lock."""

    user: int
    lock: int


@contextmanager
def reserved_user() -> Iterator[Reserved]:
    """Reserve a user id while the block lasts. Raises MachineError when there is none."""
    folder = _folder()
    for user in candidates():
        lock = os.open(folder / str(user), os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
        try:
            if _locked(lock) and not _has_name(user) and user not in _in_use():
                yield Reserved(user, lock)
                return
        finally:
            os.close(lock)
    raise MachineError(f"no user id is free between {FIRST} and {FIRST + NUMBER}: too many submissions run at once")


def candidates() -> Iterable[int]:
    """Yield all ids, beginning with a random one: judges in containers cannot see each other's locks."""
    start = random.SystemRandom().randrange(NUMBER)
    return (FIRST + (start + offset) % NUMBER for offset in range(NUMBER))


def _folder() -> Path:
    for name in FOLDERS:
        folder = Path(name)
        with suppress(OSError):
            folder.mkdir(mode=0o700, exist_ok=True)
        with suppress(OSError):
            seen = folder.lstat()
            if (
                stat.S_ISDIR(seen.st_mode)
                and seen.st_uid == 0
                and not seen.st_mode & 0o077
                and os.access(folder, os.W_OK)
            ):
                return folder
    raise MachineError(
        f"no user id can be reserved: none of the folders {', '.join(FOLDERS)} can be made so that only root can write "
        "in it"
    )


def _locked(lock: int) -> bool:
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _in_use() -> set[int]:
    """Return the user ids of all processes that we see."""
    taken = set()
    for entry in os.scandir("/proc"):
        if entry.name.isdecimal():
            with suppress(OSError):
                taken.add(entry.stat().st_uid)
    return taken


def _has_name(user: int) -> bool:
    try:
        pwd.getpwuid(user)
    except KeyError:
        return False
    return True

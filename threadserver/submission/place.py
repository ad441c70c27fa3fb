"""A place for a submission while it is judged: a folder for its private copy, and the user that it runs as."""

import os
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext, suppress
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from threadserver.core.errors import reason
from threadserver.kernel.eyes import has_capability
from threadserver.submission.machine_error import MachineError
from threadserver.submission.temporary import own_folder, runs_programs, temporary_folder
from threadserver.submission.user_ids import FIRST, NUMBER, Reserved, reserved_user

_RIGHTS = (0, 5, 6, 7)
"""CAP_CHOWN, CAP_KILL, CAP_SETGID and CAP_SETUID: needed to run a program as another user, and to end it."""


@dataclass(frozen=True, slots=True)
class Place:
    """One submission's place. If we are root, each has its own user id, and only that user and we can read it."""

    folder: Path
    user: int | None
    kit: bool
    """True when the submission may import threadserver."""

    mounted: bool
    """True when the keeper may show folders in it, in a mount namespace, as a submission with its own user needs."""

    lock: int | None = None
    """The descriptor that reserves the user id, for as long as any process has it open."""

    @property
    def copy(self) -> Path:
        """The private copy."""
        return self.folder / "submission"

    def give(self, path: Path, mode: int) -> None:
        """Set ``mode`` and let the submission's user, but no other user than us, read a file or folder."""
        if self.user is not None:
            os.chown(path, 0, self.user, follow_symlinks=False)
        path.chmod(mode)

    @property
    def temporary(self) -> Path:
        """A folder for the submission's temporary files, if it has no /tmp of its own."""
        return self.folder / "temporary"

    @property
    def runs_programs(self) -> bool:
        """True when programs may be run from the private copy."""
        return runs_programs(self.folder)

    def hand_over(self, user: int) -> None:
        """Make a user the owner of the private copy while it builds there, however deep the folders are."""
        subprocess.run(["chown", "-hR", str(user), "--", str(self.copy)], check=True, capture_output=True)  # noqa: S607

    def sweep(self) -> None:
        """Remove what its user has left in folders in which every user may write."""
        for folder in ("/tmp", "/var/tmp", "/dev/shm"):  # noqa: S108
            for entry in os.scandir(folder) if Path(folder).is_dir() else ():
                with suppress(FileNotFoundError):  # other processes remove their files meanwhile
                    if entry.stat(follow_symlinks=False).st_uid != self.user:
                        continue
                    if entry.is_dir(follow_symlinks=False):
                        shutil.rmtree(entry.path, ignore_errors=True)
                    else:
                        Path(entry.path).unlink()


@contextmanager
def place(*, own_user: bool, kit: bool = False) -> Iterator[Place]:
    """Make a place; it is removed in the end. Raises MachineError when this machine has no room for it."""
    user: AbstractContextManager[Reserved | None] = reserved_user() if own_user else nullcontext()
    with own_folder("place") as folder, user as reserved:
        number, lock = (reserved.user, reserved.lock) if reserved else (None, None)
        made = Place(folder, number, kit, own_user and may_mount(), lock)
        try:
            made.give(made.folder, 0o750)
            for part in ("submission", "python", "kit", "kit/threadserver", "empty"):
                (made.folder / part).mkdir()
                made.give(made.folder / part, 0o750)
            made.temporary.mkdir()
            made.give(made.temporary, 0o770)
        except OSError as error:
            raise MachineError(f"cannot write in {temporary_folder()}: {reason(error)}") from error
        try:
            yield made
        finally:
            if made.user is not None and not made.mounted:
                made.sweep()


def may_change_user() -> bool:
    """Tell whether we are root, may become other users, and our user namespace maps more ids than root's."""
    if os.geteuid() != 0 or not all(map(has_capability, _RIGHTS)):
        return False
    with suppress(OSError, ValueError):
        for line in Path("/proc/self/uid_map").read_text().splitlines():
            first, _, number = map(int, line.split())
            if first <= FIRST and first + number >= FIRST + NUMBER:
                return True
    return False


@cache
def may_mount() -> bool:
    """Tell whether we may make a mount namespace, by making one."""
    unshare = shutil.which("unshare")
    return unshare is not None and subprocess.run([unshare, "--mount", "true"], capture_output=True).returncode == 0

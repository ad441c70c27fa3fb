"""Our side of a keeper: the program `keeper`, which starts a command and ends it with all its descendants."""

import json
import os
import secrets
import select
import signal
import subprocess
import sys
import time
from contextlib import suppress
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from threading import Lock

from threadserver.kernel.processes import everyone
from threadserver.submission import keeper as keeper_program
from threadserver.submission.output import Output

_KEEPER = Path(keeper_program.__file__)
STOP_LIMIT = 10.0
"""Seconds after which a keeper that has not ended everything is killed."""
_MARK = "THREADSERVER_SUBMISSION"
Mount = tuple[str, str, str]
"""What to do (as `keeper.stage` says), source or options, target."""


@dataclass(frozen=True, slots=True)
class Order:
    """What a keeper is to start, and how."""

    command: list[str]
    environment: dict[str, str] | None = None
    folder: str | None = None
    """The working directory of the command."""
    user: int | None = None
    """User and group id of the command; None for ours."""
    mounts: list[Mount] | None = None
    """Changes to what the command sees of the file system; None when that is not possible here."""
    grace: float = 0.0
    """Seconds between the request to end and the kill; 0 kills at once."""
    memory: int = 0
    """Bytes of memory that all its processes together may use; 0: any number."""
    disk: int = 0
    """Bytes that the folder ``built`` may grow to; 0: any number."""
    built: str = ""
    descriptors: list[int] = field(default_factory=list)
    """Standard input, output and error of the command, as descriptors of this process."""
    lock: int | None = None
    """A descriptor of this process that the keeper keeps open for as long as it lives."""
    kills: str = ""
    """The file in which the kernel counts the processes that it has killed because memory ran out."""
    readable: list[str] | None = None
    """The folders in which the command may read and run, if Landlock can enforce that; None: whatever its user may."""
    writable: list[str] = field(default_factory=list)
    """The folders in which it may also write then."""


class Keeper:
    """A keeper process, and what it has reported. Its creator must stop it."""

    def __init__(self, order: Order) -> None:
        self._mark = f"{_MARK}={secrets.token_hex(8)}"
        if order.environment is None:
            order = replace(order, environment=dict(os.environ))
        else:
            order = replace(order, environment=order.environment | dict([self._mark.split("=")]))
        self._user = order.user
        kept = [*order.descriptors, *([] if order.lock is None else [order.lock])]
        # The order goes through a pipe: every user can read a command line, and the environment may hold secrets.
        self._process = subprocess.Popen(
            [sys.executable, "-I", "-S", str(_KEEPER)], env={"LANG": "C.UTF-8"}, pass_fds=kept,
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, start_new_session=True,
        )  # fmt: skip
        assert self._process.stdin is not None  # noqa: S101
        with suppress(BrokenPipeError):
            self._process.stdin.write(json.dumps(asdict(order)).encode() + b"\n")
            self._process.stdin.flush()
        self._lock = Lock()
        self._told = b""
        self._ending = False
        self.pid = self._process.pid
        self.first = 0
        """The process of the command itself."""
        self.failed = ""
        """Why the command could not be started."""
        self.exit_code: int | None = None
        """The command's exit code, as in subprocess; its descendants may live on."""
        self.gone = False
        """True when the command and all its descendants have ended, or never started."""
        self.over = ""
        """What the command did that made us end it with all its descendants."""
        self.killed = False
        """True when the keeper itself was killed."""

    def update(self, seconds: float = 0.0) -> None:
        """Note what the keeper reports, waiting at most ``seconds`` for news."""
        assert self._process.stdout is not None  # noqa: S101
        if self._process.stdout.closed or not select.select([self._process.stdout], [], [], seconds)[0]:
            return
        with self._lock:
            if self._process.stdout.closed or not select.select([self._process.stdout], [], [], 0)[0]:
                return
            told = os.read(self._process.stdout.fileno(), 4096)
            *lines, self._told = (self._told + told).split(b"\n")
        for line in lines:
            self._note(*line.decode("utf-8", "replace").split(" ", 1))
        if not (told or self._ending or self.failed or self.over):
            self.over, self.gone, self.killed = "ended the process that had started it", True, True
            self.exit_code = -signal.SIGKILL if self.exit_code is None else self.exit_code

    def _note(self, kind: str, rest: str = "") -> None:
        if kind == "started":
            self.first = int(rest)
        elif kind == "failed":
            self.failed = rest
        elif kind == "ended":
            self.exit_code = int(rest)
        elif kind == "over":
            self.over = rest
        self.gone = self.gone or kind in {"gone", "failed", "over"}

    def wait(self, seconds: float) -> bool:
        """Wait at most ``seconds`` until the command has ended, could not be started, or was ended."""
        deadline = time.monotonic() + seconds
        while not self.done:
            left = deadline - time.monotonic()
            if left <= 0:
                return False
            self.update(left)
        return True

    @property
    def done(self) -> bool:
        """True when the command has ended, could not be started or was ended, as far as is known."""
        return self.exit_code is not None or bool(self.failed or self.over)

    def end(self) -> None:
        """Make it end the command and all its descendants, without waiting for that."""
        assert self._process.stdin is not None  # noqa: S101
        with self._lock, suppress(OSError):
            self._ending = True
            self._process.stdin.close()

    def flooded(self, most: int) -> None:
        """End the command and all its descendants: they printed more than they may."""
        self.over, self.gone = f"printed more than {most >> 20} MiB", True
        self.end()

    def stop(self) -> None:
        """End the command and all its descendants, and wait until all have ended."""
        self.end()
        try:
            self._process.wait(STOP_LIMIT)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        if self._process.returncode:
            self._end_marked()
        self.update()
        with self._lock:
            if self._process.stdout:
                self._process.stdout.close()

    def _end_marked(self) -> None:
        """End what a killed keeper has left behind: all processes with this keeper's mark, or of its user."""
        if self._user is not None:
            keeper_program.kill_user(self._user)
        while left := [pid for pid in everyone() if self._mark.encode() in _environment(pid)]:
            for number in (signal.SIGSTOP, signal.SIGKILL):
                for pid in left:
                    with suppress(OSError):
                        os.kill(pid, number)


def keep(order: Order, output: Output) -> Keeper:
    """Start the order's command, with empty standard input and one output for everything that it prints."""
    writing = output.lend(order.user)
    try:
        with open(os.devnull, "rb") as nothing:
            keeper = Keeper(replace(order, descriptors=[nothing.fileno(), writing, writing]))
    finally:
        output.taken()
    output.on_flood(keeper.flooded)
    return keeper


def _environment(pid: int) -> list[bytes]:
    with suppress(OSError):
        return Path(f"/proc/{pid}/environ").read_bytes().split(b"\0")
    return []

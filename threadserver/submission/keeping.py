"""Our side of a keeper: the program `keeper`, which starts a command and ends it with all its descendants."""

import json
import os
import select
import subprocess
import sys
import time
from contextlib import suppress
from dataclasses import asdict, dataclass, field
from pathlib import Path
from threading import Lock

_KEEPER = Path(__file__).with_name("keeper.py")
STOP_LIMIT = 10.0
"""Seconds after which a keeper that has not ended everything is killed."""


@dataclass(frozen=True, slots=True)
class Order:
    """What a keeper is to start, and how."""

    command: list[str]
    environment: dict[str, str] | None = None
    folder: str | None = None
    """The current folder of the command."""
    user: int | None = None
    """User and group id of the command, when it is not ours."""
    mounts: list[tuple[str, str]] | None = None
    """Folders to show elsewhere, to the command only: (source, target)."""
    grace: float = 0.0
    """Seconds between asking to end and killing; 0 kills at once."""
    memory: int = 0
    """Bytes that all its processes together may use; 0: any."""
    disk: int = 0
    """Bytes that its folder may hold; 0: any."""
    descriptors: list[int] = field(default_factory=list)
    """Standard input, output and error of the command, by our numbers."""


class Keeper:
    """A keeper process, and what it has told. Whoever makes one must stop it."""

    def __init__(self, order: Order) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-I", "-S", str(_KEEPER), json.dumps(asdict(order))],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, pass_fds=order.descriptors, start_new_session=True,
        )  # fmt: skip
        self._lock = Lock()
        self._told = b""
        self.pid = self._process.pid
        self.first = 0
        """The process of the command itself."""
        self.failed = ""
        """Why the command could not be started."""
        self.exit_code: int | None = None
        """Of the command, as subprocess has it; its descendants may live on."""
        self.over = ""
        """What it had too much of, so that all of it was ended."""

    def update(self, seconds: float = 0.0) -> None:
        """Take note of what the keeper tells, waiting for at most so many seconds until it tells something."""
        assert self._process.stdout is not None  # noqa: S101
        with self._lock:
            if self._process.stdout.closed or not select.select([self._process.stdout], [], [], seconds)[0]:
                return
            self._told += os.read(self._process.stdout.fileno(), 4096)
            *lines, self._told = self._told.split(b"\n")
        for line in lines:
            self._note(*line.decode("utf-8", "replace").split(" ", 1))

    def _note(self, kind: str, rest: str) -> None:
        if kind == "started":
            self.first = int(rest)
        elif kind == "failed":
            self.failed = rest
        elif kind == "ended":
            self.exit_code = int(rest)
        elif kind == "over":
            self.over = rest

    def wait(self, seconds: float) -> None:
        """Wait until the command has ended, could not be started or was ended, for at most so many seconds."""
        deadline = time.monotonic() + seconds
        while self.exit_code is None and not self.failed and not self.over and self._process.poll() is None:
            left = deadline - time.monotonic()
            if left <= 0:
                return
            self.update(min(left, 0.1))

    def end(self) -> None:
        """Let it end the command and all its descendants, without waiting for that."""
        assert self._process.stdin is not None  # noqa: S101
        with self._lock, suppress(OSError):
            self._process.stdin.close()

    def stop(self) -> None:
        """End all of it, and wait until all have gone."""
        self.end()
        try:
            self._process.wait(STOP_LIMIT)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self.update()
        with self._lock:
            if self._process.stdout:
                self._process.stdout.close()

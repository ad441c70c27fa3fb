"""A generating process, as its parent sees it: started, told, listened to, ended."""

import json
import os
import select
import subprocess
import sys
from contextlib import suppress
from typing import Any

from threadserver.clients.load.process_plan import ProcessPlan
from threadserver.core.errors import KitError, reason


class LoadError(KitError):
    """The generator could not do its work, whatever the server is like; the message says why."""


class GeneratorProcess:
    """Leaving the block ends it, whatever it does."""

    def __init__(self, share: ProcessPlan) -> None:
        try:
            self._process = subprocess.Popen(
                [sys.executable, "-P", "-m", "threadserver.clients.load.generator"],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                bufsize=0,
                process_group=0,  # Ctrl-C is for us: we tell it
            )
        except OSError as error:
            raise LoadError(f"cannot start a generating process: {reason(error)}") from error
        self._output = self._process.stdout.fileno() if self._process.stdout else -1
        self._heard = bytearray()
        self.send(json.dumps(share.as_dict()))

    def __enter__(self) -> "GeneratorProcess":
        return self

    def __exit__(self, *_: object) -> None:
        self._process.kill()
        self._process.communicate()

    def send(self, line: str) -> None:
        """Tell it something. If it is dead, whoever listens to it will be told."""
        stdin = self._process.stdin
        with suppress(BrokenPipeError):
            if stdin:
                stdin.write(line.encode() + b"\n")

    def has_output(self, seconds: float) -> bool:
        """Wait so long at most until it says something, or ends."""
        return bool(self._heard) or bool(select.select([self._output], [], [], seconds)[0])

    def receive(self) -> dict[str, Any]:
        """Wait for its next message. Raises LoadError when that is an error, or it has ended without one."""
        while b"\n" not in self._heard:
            self._listen()
        line, _, self._heard = self._heard.partition(b"\n")
        message: dict[str, Any] = json.loads(line)
        if "error" in message:
            raise LoadError(message["error"])
        return message

    def report(self) -> dict[str, Any]:
        """Wait for its last message, which holds what it has measured."""
        while "latencies" not in (message := self.receive()):
            pass
        return message

    def _listen(self) -> None:
        data = os.read(self._output, 65_536)
        if not data:
            _, said = self._process.communicate()
            why = said.decode("utf-8", "replace").strip().rpartition("\n")[2] or f"exit code {self._process.returncode}"
            raise LoadError(f"a generating process has ended: {why}")
        self._heard += data

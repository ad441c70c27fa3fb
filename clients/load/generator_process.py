"""A generating process, as its parent sees it: start it, send it messages, read its reports, end it."""

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
    """The generator itself could not work, whatever the server does; the message says why."""


class GeneratorProcess:
    """A generating process; leaving the block kills it."""

    def __init__(self, share: ProcessPlan) -> None:
        try:
            self._process = subprocess.Popen(
                [sys.executable, "-P", "-m", "threadserver.clients.load.generator"],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                bufsize=0,
                process_group=0,  # Ctrl-C reaches only the parent, which tells the process
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
        """Send a line. If the process is dead, the next `receive` reports that."""
        stdin = self._process.stdin
        with suppress(BrokenPipeError):
            if stdin:
                stdin.write(line.encode() + b"\n")

    def has_output(self, seconds: float) -> bool:
        """Wait up to ``seconds`` for output, or for the end of the process."""
        return bool(self._heard) or bool(select.select([self._output], [], [], seconds)[0])

    def receive(self) -> dict[str, Any]:
        """Wait for the next message. Raises LoadError if it is an error, or if the process ended without one."""
        while b"\n" not in self._heard:
            self._listen()
        line, _, self._heard = self._heard.partition(b"\n")
        message: dict[str, Any] = json.loads(line)
        if "error" in message:
            raise LoadError(message["error"])
        return message

    def report(self) -> dict[str, Any]:
        """Wait for the last message, which holds the measurements."""
        while "latencies" not in (message := self.receive()):
            pass
        return message

    def _listen(self) -> None:
        data = os.read(self._output, 65_536)
        if not data:
            _, said = self._process.communicate()
            why = said.decode("utf-8", "replace").strip().rpartition("\n")[2] or f"exit code {self._process.returncode}"
            raise LoadError(f"a generating process ended: {why}")
        self._heard += data

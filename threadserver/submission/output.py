"""The output of a started program, read from its pipe as it comes, so that the program never waits for us; bounded.

The beginning and the end are kept, because the middle of an endless output helps no reader. Control characters are made
visible: a submission must not be able to move the cursor of the terminal in which its output is shown.
"""

import os
from collections.abc import Callable
from threading import Lock, Thread

from threadserver.core.printable import printable

KEPT = 16 * 1024
"""Bytes kept of the beginning, and as many of the end."""


class Output:
    """A pipe, and a thread that reads it; ``most`` is how many bytes may be printed, 0: any number."""

    def __init__(self, most: int = 0) -> None:
        self._reading, self._writing = os.pipe2(os.O_CLOEXEC)
        self._most = most
        self._flooded: Callable[[int], None] | None = None
        self._first = b""
        self._last = b""
        self._total = 0
        self._lock = Lock()
        self._reader = Thread(target=self._read, name="output", daemon=True)
        self._reader.start()

    def lend(self, user: int | None) -> int:
        """Return the writing end, for a program that may run as another user: ``user`` may then open /dev/stdout."""
        if user is not None:
            os.fchown(self._writing, user, user)
        return self._writing

    def taken(self) -> None:
        """Close our own writing end: the program has it."""
        os.close(self._writing)

    def on_flood(self, act: Callable[[int], None]) -> None:
        """Set what to call, once, when the program has printed more than it may."""
        with self._lock:
            self._flooded = act
            late = self._most and self._total > self._most
        if late:
            act(self._most)

    def finish(self, seconds: float) -> None:
        """Wait at most ``seconds`` until everything is read: the end comes when no writer is left."""
        self._reader.join(seconds)

    def __str__(self) -> str:
        with self._lock:
            left_out = self._total - len(self._first) - len(self._last)
            middle = f"\n… {left_out} bytes are left out …\n".encode() if left_out else b""
            said = self._first + middle + self._last
        return printable(said.replace(b"\r\n", b"\n"), keep="\n\t")

    def _read(self) -> None:
        while data := os.read(self._reading, 65_536):
            with self._lock:
                before, self._total = self._total, self._total + len(data)
                room = KEPT - len(self._first)
                self._first += data[:room]
                self._last = (self._last + data[room:])[-KEPT:]
                act = self._flooded if before <= self._most < self._total else None
            if act and self._most:
                act(self._most)
        os.close(self._reading)

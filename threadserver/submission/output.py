"""What a started program says, taken out of its pipe as it comes, so that it never waits for us; bounded.

Its first and its last words are kept, for the middle of an endless output tells nobody anything. Control characters
are made visible: a submission must not be able to move the cursor of the terminal in which its output is shown.
"""

import os
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from threading import Lock, Thread

from threadserver.submission.keeping import Order

KEPT = 16 * 1024
"""Bytes that are kept of the beginning, and as many of the end."""
_CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u200e\u200f\u2028-\u202e\u2066-\u2069]")


def visible(data: bytes) -> str:
    """Make text of bytes that anybody may have written: no control characters but LF and tab, no bidi marks."""
    text = data.replace(b"\r\n", b"\n").decode("utf-8", "replace")
    return _CONTROL.sub(lambda found: f"\\x{ord(found[0]):02x}", text)


class Output:
    """The reading end of a pipe, and a thread that reads it."""

    def __init__(self, most: int = 0) -> None:
        self._reading, self.writing = os.pipe2(os.O_CLOEXEC)
        self._most = most
        self._flooded: Callable[[], None] = lambda: None
        self._first = b""
        self._last = b""
        self._lock = Lock()
        self._reader: Thread | None = None
        self.total = 0
        """Bytes that were said."""

    @contextmanager
    def piped(self, order: Order) -> Iterator[Order]:
        """Give the order with this pipe for output, and nothing for input; a keeper is to be made in the block."""
        nothing = os.open(os.devnull, os.O_RDONLY | os.O_CLOEXEC)
        try:
            if order.user is not None:
                os.fchown(self.writing, order.user, order.user)  # so that it can open its /dev/stdout
            yield replace(order, descriptors=[nothing, self.writing, self.writing])
        finally:
            os.close(nothing)
            os.close(self.writing)
        self._start()

    def _start(self) -> None:
        self._reader = Thread(target=self._read, name="output", daemon=True)
        self._reader.start()

    def on_flood(self, act: Callable[[], None]) -> None:
        """Say what to do, once, when more was said than may be."""
        self._flooded = act
        if self._most and self.total > self._most:
            act()

    def finish(self, seconds: float) -> None:
        """Wait until all was read: its end comes when nobody is left who could write."""
        if self._reader:
            self._reader.join(seconds)

    def __str__(self) -> str:
        with self._lock:
            left_out = self.total - len(self._first) - len(self._last)
            middle = f"\n… {left_out} bytes are left out …\n".encode() if left_out else b""
            return visible(self._first + middle + self._last)

    def _read(self) -> None:
        while data := os.read(self._reading, 65_536):
            before, self.total = self.total, self.total + len(data)
            with self._lock:
                room = KEPT - len(self._first)
                self._first += data[:room]
                self._last = (self._last + data[room:])[-KEPT:]
            if self._most and before <= self._most < self.total:
                self._flooded()
        os.close(self._reading)

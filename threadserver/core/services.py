"""Services: what a server does with a line.

A service is one function. It takes a line without its LF and returns the answer without LF, or None for no answer.
It may block (``sleep``) or compute (``spin``): what that does to the other clients depends on the model. The answer to
an input that it cannot use begins with ``ERROR``.

The first ones are named after the small services of TCP: echo (RFC 862), discard (RFC 863), daytime (RFC 867),
chargen (RFC 864).
"""

import time
from collections.abc import Callable
from datetime import datetime
from itertools import count

from threadserver.core.errors import UsageError
from threadserver.core.loading import load

Service = Callable[[bytes], bytes | None]

_PRINTABLE = bytes(range(0x20, 0x7F))
_chargen_row = count()


def echo(line: bytes) -> bytes:
    """Answer with the same line."""
    return line


def discard(line: bytes) -> None:
    """Answer nothing."""


def daytime(line: bytes) -> bytes:  # noqa: ARG001
    """Answer with the date and time, whatever the line says."""
    return datetime.now().astimezone().isoformat(timespec="seconds").encode()


def chargen(line: bytes) -> bytes:  # noqa: ARG001
    """Answer with 72 printable characters; each answer begins one character later than the last."""
    start = next(_chargen_row) % len(_PRINTABLE)
    return (_PRINTABLE * 2)[start : start + 72]


def upper(line: bytes) -> bytes:
    """Answer with the line in ASCII capitals."""
    return line.upper()


def octets(line: bytes) -> bytes:
    """Answer a decimal count n, 1 to 16384, with exactly n bytes, the final LF included."""
    n = _number(line, 1, 16384)
    return b"ERROR octets expects a count from 1 to 16384" if n is None else b"x" * (n - 1)


def sleep(line: bytes) -> bytes:
    """Wait for n milliseconds, 0 to 60000, without computing, like a back end that blocks."""
    n = _number(line, 0, 60_000)
    if n is None:
        return b"ERROR sleep expects milliseconds from 0 to 60000"
    time.sleep(n / 1000)
    return line


def spin(line: bytes) -> bytes:
    """Compute for n milliseconds of this thread's CPU time, 0 to 60000."""
    n = _number(line, 0, 60_000)
    if n is None:
        return b"ERROR spin expects milliseconds from 0 to 60000"
    end = time.thread_time_ns() + n * 1_000_000
    while time.thread_time_ns() < end:
        pass
    return line


def _number(line: bytes, least: int, most: int) -> int | None:
    digits = line.strip()
    if not digits.isdigit() or len(digits) > 9:
        return None
    return n if least <= (n := int(digits)) <= most else None


SERVICES: dict[str, Service] = {
    service.__name__: service for service in (echo, discard, daytime, chargen, upper, octets, sleep, spin)
}


def find(name: str) -> Service:
    """Find a service by its name, or a user's own as ``PATH:FUNCTION``.

    Raises UsageError when it does not exist, in one line that lists those that do.
    """
    if name in SERVICES:
        return SERVICES[name]
    path, _, function = name.rpartition(":")
    if not (path and function):
        known = ", ".join(SERVICES)
        raise UsageError(f"unknown service {name!r}: there are {known}, or your own as path/to/file.py:function")
    service: Service = load(path, function, "a service is a function of one line")
    return service

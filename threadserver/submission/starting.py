"""Starting a command as a server. The kernel's tables show when it listens: nothing connects to it."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from threadserver.core.address import Address
from threadserver.core.errors import KitError
from threadserver.kernel.processes import everyone, family
from threadserver.submission.keeping import Keeper, Order, keep
from threadserver.submission.listening import free_port, listening
from threadserver.submission.output import Output
from threadserver.submission.server_program import Running, StartError, running

__all__ = ["START_LIMIT", "Running", "StartError", "Started", "running", "started"]

START_LIMIT = 20.0
"""Seconds within which a command must listen."""
_POLL = 0.01
_GRACE = 2.0  # seconds between the request to end and the kill


@dataclass(frozen=True, slots=True)
class Started:
    """A server that was started."""

    address: Address
    pid: int
    """A process that listens, in the server's own network namespace."""
    keeper: int
    """The process that all processes of the server descend from; it is not one of them."""


@contextmanager
def started(command: list[str], *, host: str = "127.0.0.1", start_limit: float = START_LIMIT) -> Iterator[Started]:
    """Start a command, wait until it listens, and in the end stop it with all its descendants.

    ``{host}`` and ``{port}`` in the command stand for a free address. Raises KitError when the command cannot be
    started, ends or does not listen in time; the message includes the last line of its output.
    """
    port = free_port(host)
    words = [word.replace("{host}", host).replace("{port}", str(port)) for word in command]
    expected = port if words != command else None
    output = Output()
    keeper = keep(Order(words, grace=_GRACE), output)
    try:
        yield _await_listening(keeper, words, output, expected, start_limit)
    finally:
        keeper.stop()
        output.finish(1.0)


def _await_listening(keeper: Keeper, words: list[str], output: Output, port: int | None, seconds: float) -> Started:
    """Wait until one of the keeper's descendants listens."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        keeper.update(_POLL)
        if keeper.failed:
            raise KitError(f"cannot start {words[0]}: {keeper.failed}")
        below = family([keeper.pid], everyone())[1:]
        for one in listening(below):
            if port is None or one.socket.port == port:
                return Started(one.reachable, one.pid, keeper.pid)
        if keeper.gone:
            code = keeper.exit_code
            raise KitError(
                f"{words[0]} ended with exit code {code} before it was seen to listen{_last(keeper, output)}"
            )
    where = f" on port {port}" if port else ""
    last = _last(keeper, output)
    raise KitError(f"{words[0]} did not listen{where} within {seconds:g} s{last}; --start-timeout gives it longer")


def _last(keeper: Keeper, output: Output) -> str:
    """Stop the command, so that its output is complete, and return the output's last line."""
    keeper.stop()
    output.finish(1.0)
    lines = str(output).strip().splitlines()
    return f"; the last line of its output: {lines[-1].strip()}" if lines else ""

"""Starting a command as a server, and knowing from the kernel's tables that it listens: never by connecting."""

import os
import select
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from threadserver.address import Address
from threadserver.errors import KitError, UsageError, reason
from threadserver.inspection.namespaces import Network, network_of
from threadserver.inspection.processes import everyone, family, owners
from threadserver.inspection.sockets import Socket, Tables

START_LIMIT = 20.0
"""Seconds in which a command must begin to listen."""
STOP_LIMIT = 10.0
_KEEPER = Path(__file__).with_name("keeper.py")
_POLL = 0.01


@dataclass(frozen=True, slots=True)
class Started:
    """A server that was started."""

    address: Address
    pid: int
    """A process that listens, in the server's own network namespace."""
    keeper: int
    """The process that all of the server's descend from, and that is none of them."""


@contextmanager
def started(command: list[str], *, host: str = "127.0.0.1", start_limit: float = START_LIMIT) -> Iterator[Started]:
    """Start a command, wait until it listens, and in the end stop it with all its descendants.

    ``{host}`` and ``{port}`` in the command stand for a free address. Raises KitError when it cannot be started, ends
    or does not listen in time; the last it said is part of the message.
    """
    port = _free_port(host)
    words = [word.replace("{host}", host).replace("{port}", str(port)) for word in command]
    expected = port if words != command else None
    with tempfile.TemporaryFile() as said, _kept(words, said) as keeper:
        yield _await_listening(keeper, words, said, expected, start_limit)


@contextmanager
def _kept(words: list[str], said: IO[bytes]) -> Iterator["subprocess.Popen[bytes]"]:
    keeper = subprocess.Popen(
        [sys.executable, "-I", "-S", str(_KEEPER), *words],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=said, start_new_session=True,
    )  # fmt: skip
    try:
        yield keeper
    finally:
        for pipe in (keeper.stdin, keeper.stdout):
            if pipe:
                pipe.close()
        try:
            keeper.wait(STOP_LIMIT)
        except subprocess.TimeoutExpired:
            keeper.kill()
            keeper.wait()


def _free_port(host: str) -> int:
    try:
        endpoint = Address("tcp", host, 0).resolve(passive=True)[0]
        with socket.socket(endpoint.family, endpoint.type) as probe:
            probe.bind(endpoint.sockaddr)
            return int(probe.getsockname()[1])
    except OSError as error:
        raise UsageError(f"cannot use {host}: {reason(error)}") from error


def _await_listening(
    keeper: "subprocess.Popen[bytes]", words: list[str], said: IO[bytes], port: int | None, seconds: float
) -> Started:
    """Wait until one of the keeper's descendants listens."""
    deadline = time.monotonic() + seconds
    ended = ""
    while time.monotonic() < deadline:
        for line in _lines(keeper):
            kind, _, rest = line.partition(" ")
            if kind == "failed":
                raise KitError(f"cannot start {words[0]}: {rest}")
            ended = rest if kind == "ended" else ended
        below = family([keeper.pid], everyone())[1:]
        found = _listening(keeper.pid, below, port)
        if found:
            return found
        if ended and not below:
            raise KitError(f"{words[0]} ended with exit code {ended} and never listened{_last(said)}")
        time.sleep(_POLL)
    where = f" on port {port}" if port else ""
    raise KitError(f"{words[0]} did not listen{where} within {seconds:g} s{_last(said)}; --start-limit gives it longer")


def _lines(keeper: "subprocess.Popen[bytes]") -> list[str]:
    assert keeper.stdout is not None  # noqa: S101
    if not select.select([keeper.stdout], [], [], 0)[0]:
        return []
    return os.read(keeper.stdout.fileno(), 4096).decode("utf-8", "replace").splitlines()


def _listening(keeper: int, pids: list[int], port: int | None) -> Started | None:
    """Find the listening socket of these processes, in whatever network namespace they are."""
    by_network: dict[int, list[int]] = {}
    for pid in pids:
        by_network.setdefault(network_of(pid), []).append(pid)
    for number, members in by_network.items():
        if not number:
            continue
        with Network(members[0]) as network, Tables(network) as tables:
            sockets = [one for one in tables.streams() if one.listens and (port is None or one.port == port)]
            if port is None:
                sockets += [one for one in tables.locals() if one.listens and one.source]
        held = owners((one.inode for one in sockets), members)
        for one in sockets:
            if held[one.inode]:
                return Started(_reachable(one), min(held[one.inode]), keeper)
    return None


def _reachable(one: Socket) -> Address:
    """Give the address to connect to: that of this machine where the socket listens on all of its addresses."""
    local = one.local
    if local.host == "0.0.0.0":
        return Address("tcp", "127.0.0.1", local.port)
    return Address("tcp", "::1", local.port) if local.host == "::" else local


def _last(said: IO[bytes]) -> str:
    said.seek(0)
    lines = said.read()[-2000:].decode("utf-8", "replace").strip().splitlines()
    return f"; it said last: {lines[-1].strip()}" if lines else ""

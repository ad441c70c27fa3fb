"""Traces of real conversations over real sockets, and one browser to look at pages with."""

import os
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing
from dataclasses import dataclass
from pathlib import Path
from threading import Thread
from threading import enumerate as threads

import pytest

import threadserver
from tests.conftest import eventually
from threadserver.clients import Client
from threadserver.core.models import thread
from threadserver.core.trace import Record, Recorder, read
from threadserver.diagrams.sequence import Sequence, sequence
from threadserver.kernel.calls import blocked_call
from threadserver.kernel.syscalls import ACCEPT

HOSTILE = (
    b"</script><img src=x onerror=document.title='owned'>",
    b"a; b # c: <d> %%{init}%% \x1b[31mred\x1b[0m \x07 \xe2\x80\xae end",
    b"\xff\xfe not UTF-8, \\n not a line feed",
)
FORKING = """
import os, sys
import threadserver
from threadserver.core.trace import Recorder
from threadserver.core.running import run_until_signalled

def serve(server):
    for connection in server.connections():
        if os.fork() == 0:
            server.converse(connection)
            os._exit(0)
        server.close(connection)

run_until_signalled(
    lambda: threadserver.Server(recorder=Recorder(sys.argv[1])),
    serve,
    lambda server: print(server.address, flush=True),
)
"""


@dataclass
class Trace:
    paths: list[Path]

    @property
    def records(self) -> list[Record]:
        return read(self.paths)

    @property
    def sequence(self) -> Sequence:
        return sequence(self.records)


Converse = Callable[..., None]


@pytest.fixture
def trace(tmp_path):
    """Make traces: each recorded side writes a file of its own."""

    def make(
        converse: Converse | None = None, *, model=thread.serve, address="tcp://127.0.0.1:0", sides="server client",
        clients=1, lines=(b"hello",), confirm=True, **options,
    ) -> Trace:  # fmt: skip
        paths = [tmp_path / f"{side}.trace" for side in sides.split()]
        with ExitStack() as stack:
            recorders = {path.stem: stack.enter_context(closing(Recorder(path, truncate=True))) for path in paths}
            recorder = recorders.get("client")
            with threadserver.serving(
                model, address, recorder=recorders.get("server"), confirm=confirm, **options
            ) as server:
                if converse:
                    converse(server.address, recorder)
                else:
                    at_once(clients, server.address, lines, confirm=confirm, recorder=recorder)
            wait_for_workers()
        return Trace(paths)

    return make


def wait_for_workers() -> None:
    """Wait for each worker to finish: the server stops a moment before its workers' last calls."""
    for each in threads():
        if "converse" in each.name:
            each.join()


def wait_until_it_accepts_again() -> None:
    """Wait until the thread of the only server is blocked in accept(); a client's end may come before that."""
    (server,) = [each.native_id for each in threads() if each.name == "server"]
    eventually(lambda: blocked_call(os.getpid(), server).name in ACCEPT, "the server accepts again")


def at_once(count: int, address, lines, **options) -> None:
    """Let ``count`` clients ask the same at once; each waits for its answers."""

    def ask() -> None:
        with Client(address, **options) as client:
            for line in lines:
                client.ask(line)
            client.finish()
            assert client.receive() is None  # the server has closed, and not because it was stopped

    asking = [Thread(target=ask) for _ in range(count)]
    for each in asking:
        each.start()
    for each in asking:
        each.join()


@pytest.fixture
def hostile(trace) -> Trace:
    return trace(lines=HOSTILE)


@pytest.fixture
def forked(tmp_path) -> Trace:
    """Record a server that forks a process for each client."""
    paths = [tmp_path / "forking.trace", tmp_path / "clients.trace"]
    program = [sys.executable, "-c", FORKING, str(paths[0])]
    with subprocess.Popen(program, stdout=subprocess.PIPE, text=True) as server:
        with closing(Recorder(paths[1])) as recorder:
            address = server.stdout.readline().strip()
            for line in (b"one", b"two"):
                with Client(address, recorder=recorder) as client:
                    client.ask(line)
                    client.finish()
                    assert client.receive() is None
        server.terminate()
        server.stdout.read()  # ends when every child has, too
    return Trace(paths)


@pytest.fixture
def unused_port() -> Iterator[int]:
    """Yield a port on which nothing listens, and nothing else can."""
    with socket.socket() as bound:
        bound.bind(("127.0.0.1", 0))
        yield bound.getsockname()[1]


@pytest.fixture
def run_program():
    def run(*arguments, **options):
        return subprocess.run([sys.executable, "-m", "threadserver", *arguments], capture_output=True, **options)

    return run

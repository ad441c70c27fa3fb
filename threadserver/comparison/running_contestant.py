"""A contestant as a running server: start it on its own cores, keep its output, stop all its processes."""

import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from threadserver.clients import Client
from threadserver.clients.client_conversation import shown
from threadserver.comparison import counters
from threadserver.comparison.contestants import KIT, Contestant
from threadserver.core.address import Address
from threadserver.core.errors import KitError
from threadserver.submission.keeping import Keeper, Order, keep
from threadserver.submission.listening import free_port, listening, serves
from threadserver.submission.output import Output
from threadserver.submission.server_program import how

START_LIMIT = 10.0
"""Seconds within which a server must listen."""
KEPT = 4000
"""Characters to keep of the end of the output."""
POLL = 0.005
GRACE = 1.0
"""Seconds between the request to end and the kill."""


@dataclass(frozen=True, slots=True)
class Site:
    """The cores and the interpreter for all contestants."""

    servers: frozenset[int]
    """Cores of the servers."""
    generators: tuple[int, ...]
    """Cores of the load generator, one process each."""
    interpreter: str

    @property
    def all_cores(self) -> frozenset[int]:
        """Every core."""
        return self.servers | set(self.generators)


def site(interpreter: str) -> Site:
    """Divide the cores: half for the servers, half for the generator, if there are two or more."""
    cores = sorted(os.sched_getaffinity(0))
    half = (len(cores) + 1) // 2
    return Site(frozenset(cores[:half]), tuple(cores[half:] or cores), interpreter)


class AnswerError(KitError):
    """An answer that neither the service nor a server without the service gives."""


class NotStartedError(KitError):
    """A contestant that never listened; ``output`` is what it printed."""

    def __init__(self, why: str, output: str) -> None:
        super().__init__(why)
        self.output = output


@dataclass(frozen=True, slots=True)
class Subject:
    """A running server."""

    address: Address
    _keeper: Keeper
    _output: Output

    @property
    def keeper(self) -> int:
        """Process id of the keeper, from which all processes of the server descend."""
        return self._keeper.pid

    def ended(self, within: float = 0.0) -> str:
        """Say how it ended: "with exit code 1". Empty if any of its processes is left after ``within`` seconds."""
        self._keeper.wait(within)
        self._keeper.update()
        return "" if counters.members(self.keeper) else how(self._keeper.exit_code)

    def output(self) -> str:
        """Return its last output, made safe to show; complete if the server has ended."""
        if self.ended():
            self._output.finish(1.0)
        return str(self._output).strip()[-KEPT:]

    def await_listening(self) -> None:
        """Wait until the kernel's tables show that it listens, without connecting. Raises NotStartedError."""
        deadline = time.monotonic() + START_LIMIT
        while time.monotonic() < deadline:
            self._keeper.update(POLL)
            pids = counters.members(self.keeper)
            if any(serves(one.socket, self.address) for one in listening(pids)):
                return
            if self._keeper.failed:
                raise NotStartedError(f"it cannot be started: {self._keeper.failed}", "")
            if self._keeper.exit_code is not None and not pids:
                raise self._not_started(f"it ended {how(self._keeper.exit_code)} before it listened")
        raise self._not_started(f"it did not listen at {self.address} within {START_LIMIT:g} s")

    def stop(self) -> None:
        """End all of its processes."""
        self._keeper.stop()
        self._output.finish(1.0)

    def _not_started(self, why: str) -> NotStartedError:
        self.stop()  # completes its output
        return NotStartedError(why, self.output())


@contextmanager
def serving(contestant: Contestant, service: str, cores: frozenset[int], interpreter: str) -> Iterator[Subject]:
    """Start a contestant on these cores, and stop all its processes. Raises NotStartedError if it never listens.

    It is not contained: it is measured as it normally runs, with the limits of this process.
    """
    host = "127.0.0.1"
    address = Address("tcp", host, free_port(host))
    places = {"{host}": host, "{port}": str(address.port)}
    words = [places.get(word, word) for word in contestant.command(service, interpreter)]
    environment = {**os.environ, "PYTHONPATH": str(KIT), "PYTHONUNBUFFERED": "1"}
    output = Output()
    with pinned(cores):
        keeper = keep(Order(words, environment, folder=str(contestant.file.parent), grace=GRACE), output)
    subject = Subject(address, keeper, output)
    try:
        subject.await_listening()
        yield subject
    finally:
        subject.stop()


@contextmanager
def pinned(cores: frozenset[int]) -> Iterator[None]:
    """Pin this thread to these cores, so that processes started meanwhile inherit them."""
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, cores)
    try:
        yield
    finally:
        os.sched_setaffinity(0, before)


def offers(address: Address, service: str, timeout: float) -> bool:
    """Ask once whether a server offers a service: one that knows only ``echo`` echoes the request.

    For ``sleep`` and ``spin`` the echo is also the correct answer, but it comes too early. Raises AnswerError for any
    other answer, and KitError or OSError without an answer.
    """
    question = {"octets": b"10", "sleep": b"50", "spin": b"30"}.get(service, b"hello")
    with Client(address, timeout=timeout) as client:
        begun = time.monotonic()
        answer = client.ask(question)
        took = time.monotonic() - begun
    if service == "octets" and len(answer) == 9 and not answer.startswith(b"ERROR"):
        return True
    if service == "echo" or not (answer == question or answer.startswith(b"ERROR")):
        if answer != question:
            raise AnswerError(f"it answered {shown(question)} with {shown(answer)}")
        return True
    return answer == question and service in ("sleep", "spin") and took * 1000 >= int(question)

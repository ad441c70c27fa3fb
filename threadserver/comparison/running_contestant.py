"""A contestant as a running server: started on its own cores, its output kept, all its processes stopped in the end."""

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
"""Seconds in which a server must begin to listen."""
KEPT = 4000
"""Characters of output that are kept: the last."""
POLL = 0.005
GRACE = 1.0
"""Seconds between asking a server to end and killing it."""


@dataclass(frozen=True, slots=True)
class Site:
    """Where and with what all contestants run."""

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
    """Share out the cores: half for the servers, half for the generator, where there are two or more."""
    cores = sorted(os.sched_getaffinity(0))
    half = (len(cores) + 1) // 2
    return Site(frozenset(cores[:half]), tuple(cores[half:] or cores), interpreter)


class AnswerError(KitError):
    """An answer that is none of the service's, nor of a server that does not know it."""


class NotStartedError(KitError):
    """A contestant that does not come to listen; ``output`` is what it said."""

    def __init__(self, why: str, output: str) -> None:
        super().__init__(why)
        self.output = output


@dataclass(frozen=True, slots=True)
class Subject:
    """A server that runs."""

    address: Address
    _keeper: Keeper
    _output: Output

    @property
    def keeper(self) -> int:
        """The process that all of the server's descend from."""
        return self._keeper.pid

    def ended(self, within: float = 0.0) -> str:
        """Say how it ended: "with exit code 1". Empty when any of its processes is left after so many seconds."""
        self._keeper.wait(within)
        self._keeper.update()
        return "" if counters.members(self.keeper) else how(self._keeper.exit_code)

    def output(self) -> str:
        """Give the last that it has said, made safe to show; of a server that has ended that is all of it."""
        if self.ended():
            self._output.finish(1.0)
        return str(self._output).strip()[-KEPT:]

    def await_listening(self) -> None:
        """Wait until the kernel's tables say that it listens: nobody connects. Raises NotStartedError."""
        deadline = time.monotonic() + START_LIMIT
        while time.monotonic() < deadline:
            self._keeper.update(POLL)
            pids = counters.members(self.keeper)
            if any(serves(one.socket, self.address) for one in listening(pids)):
                return
            if self._keeper.failed:
                raise NotStartedError(f"it cannot be started: {self._keeper.failed}", "")
            if self._keeper.exit_code is not None and not pids:
                raise self._not_started(f"it ended {how(self._keeper.exit_code)} before it was seen to listen")
        raise self._not_started(f"it did not listen at {self.address} within {START_LIMIT:g} s")

    def stop(self) -> None:
        """End all of its processes."""
        self._keeper.stop()
        self._output.finish(1.0)

    def _not_started(self, why: str) -> NotStartedError:
        self.stop()  # then its output is complete
        return NotStartedError(why, self.output())


@contextmanager
def serving(contestant: Contestant, service: str, cores: frozenset[int], interpreter: str) -> Iterator[Subject]:
    """Start a contestant on these cores, and stop it whole. Raises NotStartedError when it does not come to listen.

    It is not contained: it is measured as it would run, and its limits are ours.
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
    """Keep this thread on these cores, so that what it starts meanwhile is born there."""
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, cores)
    try:
        yield
    finally:
        os.sched_setaffinity(0, before)


def offers(address: Address, service: str, timeout: float) -> bool:
    """Ask once whether a server offers a service: one that knows only ``echo`` answers with the question.

    For ``sleep`` and ``spin`` that is the right answer, so they are known by what only haste can do: being too early.
    Raises AnswerError for any other answer, KitError or an OSError when there is none.
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
            raise AnswerError(f"it was asked {shown(question)} and answered {shown(answer)}")
        return True
    return answer == question and service in ("sleep", "spin") and took * 1000 >= int(question)

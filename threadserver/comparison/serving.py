"""A contestant as a running server: started on its own cores, its output kept, all of its processes stopped in the end."""

import os
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

from clients import Client
from threadserver.address import Address
from threadserver.comparison import kernel
from threadserver.comparison.contestants import KIT, Contestant
from threadserver.errors import KitError
from threadserver.submission.starting import started

START_LIMIT = 10.0
"""Seconds in which a server must begin to listen."""
KEPT = 4000
"""Characters of output that are kept: the last."""
_REDIRECT = 'exec "$@" >"$0" 2>&1'


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


@dataclass(frozen=True, slots=True)
class Subject:
    """A server that runs."""

    address: Address
    keeper: int
    """The process that all of the server's descend from."""
    _said: Path

    @property
    def ended(self) -> bool:
        """Whether none of its processes is left."""
        return not kernel.members(self.keeper)

    def output(self) -> str:
        """Give what it has said of late, control characters made visible."""
        return readable(self._said)


@contextmanager
def serving(contestant: Contestant, service: str, cores: frozenset[int], interpreter: str) -> Iterator[Subject]:
    """Start a contestant and stop it. Raises KitError, with its last words, when it does not come to listen."""
    with tempfile.TemporaryDirectory(prefix="threadserver-") as folder:
        said = Path(folder) / "output"
        command = contestant.command(service, interpreter)
        words = ["env", f"PYTHONPATH={KIT}", "PYTHONUNBUFFERED=1", "sh", "-c", _REDIRECT, str(said), *command]
        with ExitStack() as stack:
            try:
                with pinned(cores):
                    server = stack.enter_context(started(words, start_limit=START_LIMIT))
            except KitError as error:
                raise NotStartedError(_why(str(error)), readable(said)) from error
            yield Subject(server.address, server.keeper, said)


class NotStartedError(KitError):
    """A contestant that does not come to listen."""

    def __init__(self, why: str, output: str) -> None:
        super().__init__(why)
        self.output = output


def _why(error: str) -> str:
    """Say it of the contestant, and not of the program that its command begins with."""
    return error.removeprefix("env ").partition(";")[0].strip()


@contextmanager
def pinned(cores: frozenset[int]) -> Iterator[None]:
    """Keep this thread on these cores, so that what it starts meanwhile is born there."""
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, cores)
    try:
        yield
    finally:
        os.sched_setaffinity(0, before)


def readable(file: Path) -> str:
    """Read the last of a file; characters that would do something to a terminal are shown as what they are."""
    try:
        with file.open("rb") as kept:
            kept.seek(-min(file.stat().st_size, 4 * KEPT), os.SEEK_END)
            text = kept.read().decode("utf-8", "backslashreplace")
    except OSError:
        return ""
    return "".join(c if c.isprintable() or c in "\n\t" else repr(c)[1:-1] for c in text)[-KEPT:].strip()


def offers(address: Address, service: str, timeout: float) -> bool:
    """Ask once whether a server offers a service: one that knows only ``echo`` answers with the question.

    For ``sleep`` and ``spin`` that is the right answer, so they are known by what no haste can do: being done too early.
    Raises KitError or an OSError when it does not answer.
    """
    question = {"octets": b"10", "sleep": b"50", "spin": b"30"}.get(service, b"hello")
    with Client(address, timeout=timeout) as client:
        begun = time.monotonic()
        answer = client.ask(question)
        took = time.monotonic() - begun
    if service == "octets":
        return len(answer) == 9 and not answer.startswith(b"ERROR")
    return service not in ("sleep", "spin") or (answer == question and took * 1000 >= int(question))

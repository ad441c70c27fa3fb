"""Fixtures for rubrics: ``server`` in a server lab; ``client`` and a scripted ``server`` in a client lab.

For each check the submission is started afresh, in the judge's own network, and stopped whole afterwards.
"""

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager

import pytest

from threadserver.judge.caller import Caller
from threadserver.judge.plugin import Judging
from threadserver.judge.scripted import ScriptedServer
from threadserver.judge.trial import Trial, on_trial
from threadserver.kernel.namespaces import Network
from threadserver.kernel.sockets import Tables
from threadserver.submission.client_program import process
from threadserver.submission.preparing import Prepared
from threadserver.submission.server_program import Running, running

FIRST_PORT = 7000
"""In the judge's own network every submission can use the same ports. Each check uses another one, so that connections
in TIME_WAIT from one check are not in the way of the next."""


Remark = Callable[[tuple[str, ...]], None]


class Fixtures:
    """The fixtures of every lab, for one submission. ``prepare`` makes its private copy and builds it.

    ``remark`` receives remarks on the submission that are not failures. ``model`` is the lab's, where it has one.
    """

    def __init__(
        self,
        prepare: Callable[[], AbstractContextManager[Prepared]],
        judging: Judging,
        ports: Iterator[int],
        remark: Remark,
        model: str = "",
    ) -> None:
        self._prepare = prepare
        self._remark = remark
        self._judging = judging
        self._ports = ports
        self._model = model

    @pytest.fixture(scope="session")
    def submission(self) -> Iterator[Prepared]:
        """Return the submission, copied and built. Raises SubmissionError, which fails the first check."""
        with self._prepare() as prepared:
            self._remark(prepared.notes)
            yield prepared


class ServerFixtures(Fixtures):
    """The fixtures of a server lab."""

    @pytest.fixture
    def server(self, submission: Prepared) -> Iterator[Trial]:
        """Return the submission's server, started and listening."""
        port = next(self._ports)

        def start() -> AbstractContextManager[Running]:
            return running(submission, port=port)

        with on_trial(start, self._judging.transcript, self._model) as trial:
            yield trial


class ClientFixtures(Fixtures):
    """The fixtures of a client lab."""

    @pytest.fixture
    def client(self, submission: Prepared) -> Iterator[Caller]:
        """Return the submission's client; a check starts it, once or several times."""
        caller = Caller(lambda address: process(submission, address.host, address.port), self._judging.transcript)
        try:
            yield caller
        finally:
            caller.stop()

    @pytest.fixture
    def server(self, client: Caller) -> Iterator[ScriptedServer]:
        """Return a server that does what the check says, for the client to talk to."""
        with Network() as network, Tables(network) as tables:
            server = ScriptedServer(client, tables, next(self._ports))
            try:
                yield server
            finally:
                server.close()

"""What a rubric's functions may ask for: ``server`` in a server lab; ``client`` and a scripted server in a client lab.

Each check gets a fresh start of the submission, in the judge's own network, and is left with nothing running.
"""

from collections.abc import Iterator
from contextlib import AbstractContextManager
from itertools import count

import pytest

from threadserver.judge.plugin import Judging
from threadserver.judge.trial import Trial, on_trial
from threadserver.submission.listening import free_port
from threadserver.submission.preparing import Prepared
from threadserver.submission.running import Running, running

PORT = 7000
"""In a network of the judge's own every submission can have the same ports, from this one on."""


class Fixtures:
    """The fixtures, for one submission. ``prepare`` makes its private copy and builds it, once."""

    def __init__(self, prepare: AbstractContextManager[Prepared], judging: Judging, port: int) -> None:
        self._prepare = prepare
        self._judging = judging
        self._ports = count(port) if port else None

    @pytest.fixture(scope="session")
    def submission(self) -> Iterator[Prepared]:
        """Give the submission, copied and built. Raises SubmissionError, which fails the first check."""
        with self._prepare as prepared:
            yield prepared

    @pytest.fixture
    def server(self, submission: Prepared) -> Iterator[Trial]:
        """Give the submission's server, started and listening, with what a check does to it."""
        port = self._port_of_its_own()

        def start() -> AbstractContextManager[Running]:
            return running(submission, port=port)

        with on_trial(start, self._judging.transcript) as trial:
            yield trial

    def _port_of_its_own(self) -> int:
        """Give another port to each check: what the last one left in TIME_WAIT is the concern of `restart` alone."""
        return next(self._ports) if self._ports else free_port("127.0.0.1")

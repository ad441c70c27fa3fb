"""Fixtures for rubrics: ``server`` in a server lab; ``client`` and a scripted ``server`` in a client lab.

The submission is started in the judge's own network; in the end all its processes are stopped.
"""

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, suppress
from random import Random

import pytest

from threadserver.judge.aside import Aside
from threadserver.judge.caller import Caller
from threadserver.judge.causes import waits_in_vain
from threadserver.judge.outcomes import WrongError
from threadserver.judge.plugin import Judging
from threadserver.judge.program import CHANCES, Possessions
from threadserver.judge.scripted import ScriptedServer
from threadserver.judge.transcript import Transcript
from threadserver.judge.trial import Trial, on_trial
from threadserver.kernel.namespaces import Network
from threadserver.kernel.sockets import Tables
from threadserver.submission.client_program import process
from threadserver.submission.folder import SubmissionError
from threadserver.submission.machine_error import MachineError
from threadserver.submission.preparing import Prepared
from threadserver.submission.server_program import Running, StartError, running

FIRST_PORT = 7000
"""In the judge's own network every submission can use the same ports. Each check uses a different one, so that
connections in TIME_WAIT from one check are not in the way of the next."""

EVERYWHERE = "0.0.0.0"
"""As HOST: every address of the machine, so that the address of a connection is not that of the listening socket."""

MANY_LINES = ("several_lines", "long_lines")
"""The checks that say whether a server answers several lines at once."""

LEFT = "when the process that was started is ended by SIGTERM,"
"""A remark, and no failure: the protocol does not say how a server is ended."""

Remark = Callable[[tuple[str, ...]], None]


def drawn_host(random: Random) -> str:
    """Draw a HOST: any address of 127.0.0.0/8 is this machine (RFC 1122, section 3.2.1.3)."""
    return f"127.{random.randint(1, 254)}.{random.randint(1, 254)}.{random.randint(2, 254)}"


class Fixtures:
    """The fixtures of every lab, for one submission. ``prepare`` makes its private copy and builds it.

    ``remark`` receives remarks on the submission that are not failures. ``model`` is the lab's, if it has one.
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
    """The fixtures of a server lab.

    Starting a server costs more than most checks. So if a check leaves a server as it found it, the next check uses
    that server too. A check that fails on a used server runs again with its own, and only that result counts.
    """

    _run = ExitStack()
    _beside = ExitStack()
    _aside: Aside | None = None
    _copy: Prepared | None = None
    _trial: Trial | None = None
    _used: Possessions | None = None  # what it held when its first check was over: by then its workers are made

    @pytest.fixture(scope="session")
    def servers(self) -> Iterator[None]:
        """Stop the last server in the end: first as its user would."""
        with self._run, self._beside:
            yield
            if self._trial and (left := self._trial.left_by_sigterm()):
                self._remark((f"{LEFT} the port is still held by {left}: end your children, too",))

    @pytest.fixture
    def aside(self, submission: Prepared, servers: None) -> Aside:  # noqa: ARG002
        """Return a server that was started early, and whose clients have been silent since then."""
        aside = self._begin_aside(submission)
        aside.server.many_lines = not self._judging.failed(*MANY_LINES)
        return aside

    def _begin_aside(self, submission: Prepared) -> Aside:
        if self._aside is None:
            host, port = drawn_host(self._judging.drawn_for("HOST")), next(self._ports)
            second, transcript = self._second_copy(submission), Transcript()

            def show() -> None:
                self._judging.transcript = transcript

            trial = on_trial(lambda: running(second, host, port), transcript, self._model)
            self._aside = Aside(self._beside.enter_context(trial), show)
        return self._aside

    def _begin_aside_early(self, submission: Prepared) -> None:
        """Start the second server as soon as the first is known to greet; end it if the first never rests."""
        judging = self._judging
        if not judging.is_wanted("aside"):
            return
        if judging.patience.restless:
            self._beside.close()
            self._aside = self._copy = None
        elif judging.passed("greeting") and judging.is_over("description"):  # that one starts a second server as well
            with suppress(StartError, SubmissionError, MachineError):  # it is tried again by the check that needs it
                self._begin_aside(submission)

    def _second_copy(self, submission: Prepared) -> Prepared:
        """Return a copy for a second server beside the first, with its own user: a user's processes end together."""
        if submission.place.user is None:
            return submission
        if self._aside is not None:  # it runs there
            return self._beside.enter_context(self._prepare())
        if self._copy is None:
            self._copy = self._beside.enter_context(self._prepare())
        return self._copy

    @pytest.fixture
    def server(self, submission: Prepared, servers: None) -> Iterator[Trial]:  # noqa: ARG002
        """Return the submission's server, started and listening."""
        judging = self._judging
        trial = None if judging.fresh else self._trial
        judging.second_hand = trial is not None
        if trial is None:
            trial = self._start(submission)
        trial.transcript, trial.random = judging.transcript, judging.random
        trial.told.strict = judging.passed("numbers")
        trial.many_lines = not judging.failed(*MANY_LINES)
        self._begin_aside_early(submission)
        yield trial
        failure = judging.failure
        if isinstance(failure, WrongError) and not judging.second_hand and waits_in_vain(str(failure)):
            failure.evidence = f"{failure.evidence}\n{trial.last_lines()}".strip()
            self._trial = None
            return
        self._trial = trial if judging.all_is_well and self._is_as_before(trial) else None

    def _start(self, submission: Prepared) -> Trial:
        """Start a server in place of the last one."""
        self._run.close()
        port = next(self._ports)

        host = drawn_host(self._judging.drawn_for("HOST"))

        def start() -> AbstractContextManager[Running]:
            return running(submission, host, port)

        def everywhere() -> AbstractContextManager[Running]:
            return running(self._second_copy(submission), host, next(self._ports), given=EVERYWHERE)

        self._used = None
        trial = self._run.enter_context(on_trial(start, self._judging.transcript, self._model, self._judging.patience))
        trial.everywhere = everywhere
        return trial

    def _is_as_before(self, trial: Trial) -> bool:
        """Let all clients leave; return whether the server holds no more then than after its first check."""
        trial.dismiss()
        for _ in range(CHANCES):
            trial.settle()
            if trial.ends():
                continue
            held = trial.possessions()
            self._used = self._used or held
            if not held.grown_beyond(self._used, 0):
                trial.clients.clear()
                return trial.ended is None
        return False


class ClientFixtures(Fixtures):
    """The fixtures of a client lab."""

    @pytest.fixture
    def client(self, submission: Prepared) -> Iterator[Caller]:
        """Return the submission's client; a check starts it, once or several times."""
        judging = self._judging
        caller = Caller(
            lambda address: process(submission, address.host, address.port), judging.transcript, judging.patience
        )
        try:
            yield caller
        finally:
            caller.stop()

    @pytest.fixture
    def server(self, client: Caller) -> Iterator[ScriptedServer]:
        """Return a server that does what the check says, for the client to talk to."""
        with Network() as network, Tables(network) as tables:
            server = ScriptedServer(client, tables, next(self._ports))
            server.random = self._judging.random
            try:
                yield server
            finally:
                server.close()

"""A second server, whose clients are silent; and what is left of a server that is ended as its user ends it."""

from contextlib import contextmanager

import pytest

from tests.judge.conftest import SERVER
from threadserver.judge import aside
from threadserver.judge.aside import Aside
from threadserver.judge.outcomes import WrongError
from threadserver.judge.transcript import Transcript
from threadserver.judge.trial import on_trial
from threadserver.kernel.testimony import Model
from threadserver.submission.containment import strongest
from threadserver.submission.folder import find
from threadserver.submission.preparing import prepared
from threadserver.submission.server_program import running


@pytest.fixture
def serving(submission, monkeypatch):
    """Put a server on trial; a client of `Aside` is silent for a moment only."""
    monkeypatch.setattr(aside, "SILENCE", 0.3)

    @contextmanager
    def serve(text):
        with (
            prepared(find(submission(server_py=text), "server"), strongest()) as made,
            on_trial(lambda: running(made), Transcript(), Model.THREADS) as trial,
        ):
            yield trial

    return serve


def test_silent_clients_are_answered_and_served_as_before_and_sigterm_leaves_nothing(serving):
    with serving(SERVER) as trial:
        silent = Aside(trial)
        silent.ask_each()
        assert trial.left_by_sigterm() == ""


def test_a_limit_that_goes_on_counting_is_found_after_a_silence(serving):
    reading = "        while line := lines"
    text = SERVER.replace(reading, f"        connection.settimeout(0.1)\n{reading}")
    with serving(text) as trial:
        silent = Aside(trial)
        with pytest.raises(WrongError, match="sent 'after a long silence'"):
            silent.ask_each()
        silent.must_be()  # that they are not served is said once


def test_processes_that_outlive_the_one_that_was_started_are_named(serving):
    with serving(SERVER.replace("number = 0\n", "number = 0\nos.fork()\n")) as trial:
        trial.greet()
        assert trial.left_by_sigterm().startswith("process ")

"""Whatever a server does, it gets a verdict: each wait ends by what the server does, and all waits are added up."""

import subprocess
import sys

import pytest

from tests.judge.conftest import SERVER
from threadserver.core.labs import find
from threadserver.judge import asking
from threadserver.judge.outcomes import Outcome
from threadserver.judge.patience import HURRY, MOST, Patience
from threadserver.judge.stillness import Stillness

NEVER_RESTS = {
    "asks without a time-out": "while True: select.select([], [], [], 0)",
    "naps and asks again": "while True: time.sleep(0.002)",
}


@pytest.fixture
def program():
    """Start a short program; it prints a line when it is ready."""
    started = []

    def start(text):
        process = subprocess.Popen(
            [sys.executable, "-c", f"import select, time, signal\nprint(flush=True)\n{text}"], stdout=subprocess.PIPE
        )
        started.append(process)
        process.stdout.readline()
        return Stillness(lambda: [process.pid], Patience())

    yield start
    for process in started:
        process.kill()
        process.communicate()


@pytest.mark.parametrize("how", NEVER_RESTS)
def test_a_program_that_never_rests_is_known_by_what_it_does(program, how):
    stillness = program(NEVER_RESTS[how])
    while not stillness.in_vain:
        stillness.look()
        assert stillness._same == 0 or how == "naps and asks again"
    patience = stillness._patience
    stillness.begin_again()
    while not patience.restless:
        stillness.settle()


def test_a_waiting_program_settles_and_waiting_for_it_is_in_vain(program):
    stillness = program("signal.pause()")
    stillness.settle()
    assert not stillness._patience.restless
    while not stillness.in_vain:
        stillness.look()
    assert stillness._spent < 1


def test_patience_gets_shorter_with_use_and_ends():
    patience = Patience()
    assert (patience.divisor, patience.exhausted) == (1, False)
    patience.waited = HURRY + 0.1
    assert (patience.divisor, patience.exhausted) == (3, False)
    patience.waited = MOST + 0.1
    assert patience.exhausted


def test_a_server_that_drips_its_answers_is_not_waited_for_in_every_check(submission):
    server = SERVER.replace("import sys\n", "import sys\nimport time\n").replace(
        "            connection.sendall(line)",
        "            for at in range(len(line)):\n                time.sleep(0.4)\n"
        "                connection.sendall(line[at : at + 1])",
    )
    verdict = asking.check(find("thread"), submission(server_py=server))
    assert not verdict.problem
    blocked = [one for one in verdict.checks if one.outcome is Outcome.BLOCKED]
    assert any("made the judge wait" in one.message or "depends on" in one.message for one in blocked)


def test_a_server_that_never_waits_is_told_so_and_still_judged(submission):
    server = SERVER.replace("import sys\n", "import sys\nimport time\n").replace(
        "number = 0\n",
        "number = 0\nthreading.Thread(target=lambda: [time.sleep(0.003) for _ in range(10**9)]).start()\n",
    )
    verdict = asking.check(find("thread"), submission(server_py=server), only=["rests", "numbers"])
    outcomes = {one.name: one for one in verdict.checks}
    assert "never waits" in outcomes["rests"].message
    assert outcomes["numbers"].outcome is Outcome.PASSED

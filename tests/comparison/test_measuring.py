"""Real servers under a short load: the figures of a correct one, and the outcome of each fault."""

import re
import sys
from pathlib import Path

import pytest

from tests.comparison import faulty
from threadserver.comparison import contestants, measuring
from threadserver.comparison.cells import Cell
from threadserver.comparison.measuring import Pace, measure
from threadserver.comparison.running_contestant import offers, serving, site
from threadserver.core.models import thread

PATIENT = Pace(0.1, 0.02, 20.0)
HASTY = Pace(0.1, 0.02, 0.5)

LONG = Pace(0.5, 0.1, 20.0)


def run(name, workload="echo", connections=2, pace=PATIENT, rate=None):
    with contestants.ready([contestants.find(str(name))]) as (ready,):
        return measure(ready, Cell(workload, connections, rate), 0, site(sys.executable), pace, lambda: None)


@pytest.fixture
def with_fault(tmp_path):
    return lambda fault, **options: run(faulty.write(tmp_path / fault, fault), **options)


def test_a_correct_server_is_measured():
    found = run("thread", pace=LONG)
    assert (found.outcome, found.why, found.served, found.errors) == ("measured", "", 2, {})
    assert found.requests > 0
    assert found.load["latency"]["count"] >= found.requests
    assert found.server.tasks >= 3  # the one that accepts, and one for each client
    assert found.server.cpu_per_request > 0


def test_your_own_model_is_measured_with_every_service(tmp_path):
    mine = tmp_path / "mine.py"
    mine.write_text(Path(thread.__file__).read_text())
    for workload in ("echo", "sleep"):
        found = run(mine, workload)
        assert (found.outcome, found.why, found.served) == ("measured", "", 2), workload


def test_memory_is_that_of_the_connections():
    found = run("thread", "idle", 50)
    assert found.outcome == "measured"
    assert (found.memory.few_connections, found.memory.full_connections) == (1, 50)
    assert 1000 < found.memory.each < 1 << 20


def test_a_sleeping_back_end_is_hidden_by_threads_and_not_by_an_iterative_server():
    apart, together = run("iterative", "sleep", 4, HASTY), run("thread", "sleep", 4)
    assert (apart.outcome, apart.served) == ("partly", 1)
    assert (together.outcome, together.served) == ("measured", 4)


def test_octets_and_churn_reconnect_so_an_iterative_server_serves_all_clients():
    for workload in ("octets", "churn"):
        found = run("iterative", workload, 3)
        assert (found.outcome, found.served) == ("measured", 3), workload


def test_wrong_answers_are_reported_and_do_not_count(with_fault):
    found = with_fault("lies")
    assert found.outcome == "wrong answers"
    assert not found.counted
    assert "wrong answer" in found.why


@pytest.mark.parametrize(
    ("fault", "why", "says"),
    [
        ("crashes", "it ended with exit code 3 under load", "it hurts \\x1b[31m"),
        ("dies", "the first client: ", "the first is one too many"),
    ],
)
def test_a_crash_is_reported_with_the_last_output(with_fault, fault, why, says):
    found = with_fault(fault)
    assert (found.outcome, found.counted, found.output) == ("crashed", False, says)
    assert why in found.why


def test_a_missing_greeting_is_reported(with_fault, monkeypatch):
    monkeypatch.setattr(measuring, "FIRST_CLIENT_LIMIT", 0.5)
    found = with_fault("silent")
    assert found.outcome == "hung"
    assert found.why == (
        "the first client: no HELLO within 0.5 s; labs/PROTOCOL.md says how a server greets and answers"
    )


@pytest.mark.parametrize(
    ("fault", "outcome"),
    [
        ("hangs", "hung"),
        ("refuses", "refused"),
        ("turns away", "refused"),
        ("falls silent", "hung"),
        ("drops", "dropped"),
    ],
)
def test_hung_refusing_and_dropping_servers_have_different_outcomes(with_fault, fault, outcome):
    found = with_fault(fault, pace=HASTY)
    assert (found.outcome, found.counted) == (outcome, False)


def test_a_server_that_is_slow_from_the_start_is_not_hung(with_fault):
    found = with_fault("takes its time", pace=Pace(0.1, 0.02, 0.1))
    assert (found.outcome, found.errors, found.served) == ("measured", {}, 2)


@pytest.mark.parametrize("fault", ["falls silent", "drops"])
def test_a_rate_does_not_hide_a_server_that_stops_answering(with_fault, fault):
    found = with_fault(fault, pace=HASTY, rate=1000.0)
    assert (found.outcome, found.counted) == ({"falls silent": "hung", "drops": "dropped"}[fault], False)


def test_a_late_server_is_not_a_hung_one():
    found = run("iterative", "sleep", 1, HASTY, rate=1e6)
    assert (found.outcome, found.counted) == ("overrun", True)
    assert found.why.startswith("it did not keep up with the rate: ")


def test_a_server_that_answers_everything_too_late_does_not_keep_up():
    found = run("thread", "sleep", 1, Pace(0.5, 0.0, 20.0), rate=400)
    assert (found.outcome, found.errors) == ("overrun", {})
    assert re.search(r"it did not keep up with the rate: \d+ of \d+ answers came in time", found.why)


def test_a_server_with_slow_answers_can_keep_up_with_a_rate(with_fault):
    assert with_fault("takes its time", connections=20, rate=20.0, pace=Pace(1.0, 1.0, 20.0)).outcome == "measured"


@pytest.mark.parametrize(
    ("fault", "outcome", "why"),
    [
        ("takes each piece for a line", "wrong answers", "wrong answer"),
        ("waits for whole lines", "partly", "timeout"),
    ],
)
def test_answers_to_slow_clients_are_checked_too(with_fault, fault, outcome, why):
    found = with_fault(fault, workload="slow", pace=HASTY)
    assert (found.outcome, found.errors) == (outcome, {})
    assert re.search(rf"slow clients: \d {why}", found.why)


def test_a_server_that_closes_silent_clients_is_reported(with_fault):
    found = with_fault("closes silent clients", workload="idle", connections=12)
    assert (found.outcome, found.errors) == ("partly", {"closed": 2})
    assert found.why == "10 of 12 clients were served to the end: 2 closed"


def test_a_wrong_answer_to_a_silent_client_is_reported(with_fault):
    found = with_fault("lies", workload="idle", connections=10)
    assert (found.outcome, set(found.errors)) == ("wrong answers", {"wrong answer"})


def test_a_server_that_waits_instead_of_computing_does_not_offer_spin(with_fault):
    found = with_fault("waits instead of computing", workload="spin", pace=Pace(1.0, 0.1, 20.0))
    assert (found.outcome, found.counted) == ("not offered", False)
    assert found.why.startswith("it should compute for 5 ms, but uses ")
    assert run("thread", "spin", pace=LONG).outcome == "measured"


def test_processor_time_of_grandchildren_counts(with_fault):
    found = with_fault("forks twice", workload="churn", pace=Pace(1.0, 0.1, 20.0))
    assert found.outcome == "measured"
    # Where others have the cores it may be too little to be counted in ticks.
    assert found.server.cpu_per_request is None or found.server.cpu_per_request > 0.005


def test_a_wrong_answer_does_not_mean_that_the_service_is_missing(tmp_path):
    file = tmp_path / "liar.py"
    file.write_text(faulty.BASE.replace("{fault}", "def answer(line, number): return b'x' + line"))
    found = run(file, "sleep")
    assert (found.outcome, found.why) == ("wrong answers", "the first client: it answered '50' with 'x50'")


def test_a_failed_build_is_reported_with_the_compiler_output(tmp_path):
    (tmp_path / "Makefile").write_text("server:\n\t@echo no such thing; false\n")
    found = run(tmp_path)
    assert (found.outcome, found.counted) == ("not built", False)
    assert "no such thing" in found.output


def test_a_leak_is_reported(with_fault):
    found = with_fault("leaks", workload="churn", connections=10)
    assert (found.outcome, found.counted) == ("leaked", True)
    assert "more descriptors" in found.why


def test_a_small_leak_differs_from_a_pool_that_has_grown(with_fault):
    found = with_fault("leaks a little", connections=10)
    assert (found.outcome, found.counted) == ("leaked", True)
    # The first client, which came alone, may or may not have been released before the first count.
    assert re.search(r"it still held 1[01] more descriptors; .* connections later", found.why)
    assert with_fault("keeps a pool", connections=10).outcome == "measured"


def test_a_heap_at_its_bound_is_not_a_leak(with_fault):
    assert with_fault("remembers the last", pace=LONG).outcome == "measured"


def test_memory_lost_with_every_connection_is_a_leak_under_any_load(with_fault):
    found = with_fault("forgets to free", connections=20)
    assert (found.outcome, found.counted) == ("leaked", True)
    assert "its memory grew by" in found.why


def test_memory_that_grows_with_the_requests_is_a_leak(with_fault):
    found = with_fault("grows", pace=LONG)
    assert (found.outcome, found.counted) == ("leaked", True)
    assert "its memory grew by" in found.why


def test_a_correct_server_does_not_leak(with_fault):
    assert with_fault("none", workload="churn", connections=10).outcome == "measured"
    assert with_fault("none", pace=LONG).outcome == "measured"


@pytest.mark.parametrize("workload", ["sleep", "spin", "octets"])
def test_an_unknown_service_is_not_offered(with_fault, workload):
    assert with_fault("none", workload=workload).outcome == "not offered"


def test_a_server_that_never_listens_is_reported_with_its_last_output(with_fault):
    found = with_fault("ends")
    assert (found.outcome, found.output) == ("not started", "no, not today")
    assert "exit code 1" in found.why


def test_nothing_of_a_server_is_left():
    with serving(contestants.find("thread"), "echo", site(sys.executable).servers, sys.executable) as subject:
        assert not subject.ended()
    assert subject.ended()


@pytest.mark.parametrize("name", contestants.peers())
def test_well_known_servers_offer_every_service(name):
    peer = contestants.find(name)
    for service in ("echo", "sleep", "spin", "octets"):
        with serving(peer, service, site(sys.executable).servers, sys.executable) as subject:
            assert offers(subject.address, service, 20.0), service
        assert subject.output() == ""


def test_a_well_known_server_is_measured_like_any_other():
    assert run("peer:socketserver").outcome == "measured"

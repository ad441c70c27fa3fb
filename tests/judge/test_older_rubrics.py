"""Rubrics that instructors wrote for version 0.1: their module names, fixtures and methods are still there."""

import pytest

from tests.judge.conftest import SERVER, TOML
from threadserver.judge import asking
from threadserver.judge.outcomes import Outcome

OLDER = """
    from threadserver.inspection.verdict import Model
    from threadserver.judge.common import test_echo, test_greeting, test_listens
    from threadserver.judge.concurrent import one_made_for_each, test_many_at_once
    from threadserver.judge.leaving import test_goes_on
    from threadserver.judge.looping import must_loop, test_idle
    from threadserver.judge.pooling import the_same_again, must_accept_themselves
    from threadserver.judge.peer import Peer
    from threadserver.judge.trial import Trial
    from threadserver.inspection.processes import owners

    @points(1, "the model by its name", after="many_at_once")
    def test_model(server: Trial) -> None:
        one_made_for_each(server, "thread-per-connection", "thread")

    @points(1, "it is no loop", after="many_at_once")
    def test_no_loop(server: Trial) -> None:
        must_loop(server, server.hold(8), Model.LOOP)

    @points(1, "all that INSTRUCTORS.md lists")
    def test_methods(server: Trial) -> None:
        server.connect().hello()
        server.come_and_go(2, Peer.reset)
        clients = server.hold(server.some(2, 3))
        server.ask_in_any_order(clients)
        server.settle()
        server.serving(clients).must_be("thread-per-connection")
        assert server.situation().text()
        assert server.possessions().tasks > len(clients)
        assert server.random.random() < 1
        client = clients[0]
        client.send(b"some words\\n")
        client.expect(b"some words\\n", "sent some words and expected them back")
        client.expect_nothing("it was answered")
        client.half_close()
        client.expect_end("half-closed")
        owners(server.look().listeners, server.members())
        server.await_read(clients[1])
        assert not server.waits_in_backlog(clients[1])
        raise clients[1].wrong("it is as it must be")
"""


@pytest.fixture
def judged(make_lab, submission):
    def judge(rubric, toml=TOML, **options):
        verdict = asking.check(make_lab(rubric, toml), submission(server_py=SERVER), **options)
        assert not verdict.problem
        return {one.name: one for one in verdict.checks}

    return judge


def test_a_rubric_for_the_first_version_is_still_understood(judged):
    checks = judged(OLDER)
    assert {name for name, one in checks.items() if one.outcome is Outcome.PASSED} == {
        "listens", "greeting", "echo", "many_at_once", "goes_on", "idle", "model",
    }  # fmt: skip
    assert "one task serves all clients" in checks["no_loop"].message
    assert checks["methods"].message == "it is as it must be"
    assert checks["methods"].outcome is Outcome.FAILED


MODEL = """
    @points(1, "the lab's model")
    def test_model(server):
        server.serving(server.hold(4)).must_be()
"""


@pytest.mark.parametrize(
    ("model", "outcome"), [("thread-per-connection", "passed"), ("fork-per-connection", "failed"), ("", "error")]
)
def test_must_be_expects_the_model_of_lab_toml(judged, model, outcome):
    assert judged(MODEL, f'{TOML}model = "{model}"\n')["model"].outcome == outcome

from threading import Thread

from threadserver import serving
from threadserver.clients.crowd import converse
from threadserver.core.models import iterative, thread


def test_each_client_of_a_threaded_server_has_its_own_worker():
    with serving(thread.serve) as server:
        crowd = converse(server.address, clients=50, lines=10)
    assert len(crowd.workers) == 50
    assert [member.answers for member in crowd.members] == [10] * 50
    assert not crowd.failures


def test_all_clients_of_an_iterative_server_have_the_same_worker():
    with serving(iterative.serve) as server:
        crowd = converse(server.address, clients=10, lines=3)
    assert list(crowd.workers.values()) == [10]


def test_without_confirmation_the_workers_are_unknown():
    with serving(thread.serve, confirm=False) as server:
        crowd = converse(server.address, clients=3, lines=2, confirm=False)
    assert sum(member.answers for member in crowd.members) == 6
    assert not crowd.workers


def test_a_refused_client_does_not_end_the_others():
    with serving(thread.serve, max_connections=1) as server:
        crowd = converse(server.address, clients=5, lines=200)
    served = [member for member in crowd.members if not member.failure]
    assert served
    assert all(member.answers == 200 for member in served)
    assert all("server is full" in failure for failure in crowd.failures)


def test_nothing_listens():
    with serving(thread.serve) as server:
        pass
    crowd = converse(server.address, clients=4, lines=1)
    assert sum(crowd.failures.values()) == 4
    assert "nothing listens" in next(iter(crowd.failures))


def test_a_server_that_does_not_answer_in_time():
    with serving(thread.serve, service=lambda line: None) as server:
        crowd = converse(server.address, clients=2, lines=1, timeout=0.1)
    assert crowd.failures == {"no answer within 0.1 s": 2}


def test_too_few_threads_for_the_crowd(monkeypatch):
    start, started = Thread.start, []

    def third_time_unlucky(self):
        if self.name == "member 3":
            raise RuntimeError("can't start new thread")
        started.append(self)
        start(self)

    with serving(thread.serve) as server:
        monkeypatch.setattr(Thread, "start", third_time_unlucky)
        crowd = converse(server.address, clients=5, lines=1)
    assert sum(crowd.failures.values()) >= 2
    assert all("no thread" in failure for failure in crowd.failures)

"""Every model serves over every transport, keeps its limits, and leaves nothing behind."""

import os
import socket
from operator import le
from threading import Thread

import pytest

from tests.conftest import PATIENCE, bystander, confirm, descriptors, dial, eventually, read_all, read_line
from tests.core.test_exhaustion import admitted, served
from tests.rude import RUDE, never_reads_its_answers
from threadserver import Server, serving
from threadserver.clients import Client
from threadserver.core import models, services
from threadserver.judge.stillness import Stillness

EVERY = [*models.names(), "pool/parent-passes"]
"""In this variant the parent accepts, and passes each connection to a child that it forked before."""
CONCURRENT = [name for name in EVERY if name != "iterative"]
"""The models that serve two clients at once."""
BOUNDED = {"pool", "prefork", "prethreaded", "pool/parent-passes"}
"""The models that serve a fixed number of clients at once; the others wait."""
WORKERS = 4
"""Processes of the model reuseport, each with a table of descriptors of its own."""

# Python warns of a fork in a program with threads; these children only converse, and exit.
pytestmark = pytest.mark.filterwarnings("ignore:.*use of fork:DeprecationWarning")


@pytest.fixture(params=["tcp://127.0.0.1:0", "unix"])
def address(request, tmp_path):
    return f"unix://{tmp_path}/echo.sock" if request.param == "unix" else request.param


@pytest.fixture(params=EVERY)
def model(request):
    return request.param


@pytest.fixture(params=CONCURRENT)
def concurrent(request):
    return request.param


def state(server):
    """Return how many tasks, children and descriptors a server has: none of these numbers may grow."""
    return len(server.tasks), len(server.children), server.all_descriptors


def settled(server):
    """Serve one client, so that the model has started all it needs, and return the state to return to."""
    with Client(server.address, timeout=PATIENCE) as client:
        assert client.ask(b"warm") == b"warm"
    stillness = Stillness(lambda: [server.pid, *server.children])
    eventually(lambda: stillness.look() >= 5, "the server is at rest")  # limits may wake it many times a second
    return state(server)


@pytest.mark.parametrize("family", ["tcp://127.0.0.1:0", "tcp://[::1]:0", "unix"])
def test_a_client_is_greeted_confirmed_and_answered(model, family, tmp_path):
    address = f"unix://{tmp_path}/echo.sock" if family == "unix" else family
    with serving(models.find(model), address) as server, Client(server.address, timeout=PATIENCE) as client:
        assert client.hello.server == str(server.address)
        assert client.hello.connection > 0
        assert client.ask(b"hello") == b"hello"
        assert client.ask(b"\xff\x00") == b"\xff\x00"


@pytest.mark.parametrize("service", ["discard", "chargen", "sleep"])
def test_it_runs_services_that_say_nothing_much_and_late(model, service):
    with serving(models.find(model), service=services.find(service)) as server:
        with Client(server.address, timeout=PATIENCE) as client:
            client.send(b"3") if service == "discard" else client.ask(b"3")


def test_stop_wakes_it_from_waiting_for_clients(model, address):
    with Server(address) as server:
        runner = Thread(target=server.run, args=(models.find(model),))
        runner.start()
        server.stop()
        runner.join(30)
        assert not runner.is_alive()


def test_rude_clients_disturb_no_other_client_and_leave_nothing(serve, concurrent, address):
    server = serve(address, "--model", concurrent)
    before = settled(server)
    with bystander(server) as other:
        for behave in RUDE:
            with dial(server.address) as sock:
                behave(sock)
                assert other.ask(b"meanwhile") == b"meanwhile", behave
    eventually(lambda: state(server) == before, f"everybody has gone: {before}")
    assert server.stop() == (0, "")


def test_time_outs_end_a_conversation(serve, model):
    server = serve("tcp://127.0.0.1:0", "--model", model, "--confirm-timeout", "0.3", "--idle-timeout", "0.4")
    before = settled(server)
    with dial(server.address) as late:
        read_line(late)
        assert read_all(late) == b"ERROR not confirmed within 0.3 s\n"
    with dial(server.address) as silent:
        confirm(silent)
        silent.sendall(b"one\n")
        assert read_all(silent) == b"one\nERROR idle for 0.4 s\n"
    with dial(server.address) as deaf:
        never_reads_its_answers(deaf)
        deaf.settimeout(PATIENCE)
        read_all(deaf)  # it has an end
    eventually(lambda: state(server) == before, "everybody has gone")


def test_a_client_that_waits_for_an_answer_is_not_idle(serve, model):
    server = serve("tcp://127.0.0.1:0", "--model", model, "--service", "sleep", "--idle-timeout", "0.25")
    with Client(server.address, timeout=PATIENCE) as client:
        assert client.ask(b"700") == b"700"


def test_clients_beyond_the_limit_are_refused_until_others_leave(serve, concurrent):
    server = serve("tcp://127.0.0.1:0", "--model", concurrent, "--max-connections", "2")
    before = settled(server)
    with (
        eventually(lambda: admitted(server.address), "there is room for one") as first,
        eventually(lambda: admitted(server.address), "there is room for another") as second,
    ):
        for _ in range(3):
            with dial(server.address) as third:
                assert read_all(third) == b"ERROR server is full\n"
        assert first.ask(b"hello") == second.ask(b"hello") == b"hello"
    eventually(lambda: state(server) == before, "both have gone")
    eventually(lambda: served(server.address), "there is room again")


def test_a_conversation_that_fails_concerns_only_its_client(serve, model, tmp_path):
    (tmp_path / "faulty.py").write_text(
        "from threadserver.core.conversation import Conversation\n"
        "class Faulty(Conversation):\n"
        "    def receive(self, data):\n"
        "        return super().receive(data) if not data.endswith(b'fault\\n') else 1 / 0\n"
    )
    server = serve("tcp://127.0.0.1:0", "--model", model, "--conversation", f"{tmp_path}/faulty.py:Faulty")
    for _ in range(20):  # more than any model has workers
        with Client(server.address, timeout=PATIENCE) as client:
            client.send(b"fault")
            assert client.receive() is None
    with Client(server.address, timeout=PATIENCE) as client:
        assert client.ask(b"hello") == b"hello"
    _, said = server.stop()
    assert said.count("ZeroDivisionError") == 20


def test_stop_ends_idle_and_deaf_clients_and_sends_what_is_owed(serve, concurrent, address, tmp_path):
    os.mkfifo(tmp_path / "working")
    (tmp_path / "slow.py").write_text(
        "import os, time\n"
        "def answer(line):\n"
        "    if line == b'slow':\n"
        f"        os.close(os.open('{tmp_path}/working', os.O_WRONLY))\n"
        "        time.sleep(0.2)\n"
        "    return line\n"
    )
    server = serve(address, "--model", concurrent, "--service", f"{tmp_path}/slow.py:answer")
    with Client(server.address, timeout=PATIENCE) as idle, dial(server.address) as deaf, dial(server.address) as busy:
        never_reads_its_answers(deaf)
        confirm(busy)
        busy.sendall(b"slow\nlast")
        with open(tmp_path / "working"):  # blocks until the service opens the other end
            pass
        children = server.children
        assert server.stop()[0] == 0
        assert read_all(busy) == b"slow\nlast"
        assert idle.receive() is None
        gone = lambda: not [child for child in children if os.path.exists(f"/proc/{child}")]  # noqa: E731
        eventually(gone, "no child is left")


@pytest.mark.parametrize("name", sorted({*CONCURRENT} - BOUNDED))
def test_out_of_descriptors_the_next_is_refused_and_the_rest_goes_on(serve, name):
    most = 50 if name == "fork" else 40 * WORKERS  # each child has a table of its own
    server = serve("tcp://127.0.0.1:0", "--model", name, preexec=descriptors(40))
    before = settled(server)
    with bystander(server) as other:
        alone = state(server)
        crowd, greeting = [], b""
        while len(crowd) < most and greeting != b"ERROR server is full\n":
            crowd.append(dial(server.address))
            greeting = crowd[-1].recv(200)
        assert greeting.startswith(b"HELLO" if name == "fork" else b"ERROR")
        assert other.ask(b"meanwhile") == b"meanwhile"
        for sock in crowd:
            sock.close()
        # Not "equal": the descriptor kept in reserve is only opened again with the next client.
        eventually(lambda: all(map(le, state(server), alone)), "only the bystander is left")
    for _ in range(5 if name == "fork" else 10 * WORKERS):  # so that each of several loops has had one
        with Client(server.address, timeout=PATIENCE) as client:
            assert client.ask(b"hello") == b"hello"
    eventually(lambda: state(server) == before, "everybody has gone")


def test_a_restart_on_the_same_port_works_at_once(model):
    with serving(models.find(model)) as server:
        client = Client(server.address, timeout=PATIENCE)
        client.ask(b"hello")
    with serving(models.find(model), server.address), Client(server.address, timeout=PATIENCE) as again:
        assert again.ask(b"hello") == b"hello"
    client.close()


def test_an_idle_server_rests(serve, concurrent):
    server = serve("tcp://127.0.0.1:0", "--model", concurrent, "--confirm-timeout", "1")
    with Client(server.address, timeout=PATIENCE) as idle, dial(server.address) as deaf, dial(server.address) as clock:
        assert idle.ask(b"hello") == b"hello"
        never_reads_its_answers(deaf)
        before = server.cpu_seconds
        read_line(clock)
        assert read_all(clock).startswith(b"ERROR not confirmed")
        assert server.cpu_seconds - before < 0.5


def test_after_an_error_comes_the_end_and_no_reset(model, address):
    with serving(models.find(model), address) as server, dial(server.address) as sock:
        confirm(sock)
        sock.sendall(b"x" * 100_000)
        assert b"".join(iter(lambda: sock.recv(1000), b"")) == b"ERROR line longer than 65536 bytes\n"


def test_a_last_line_and_a_half_close_come_together(model, address):
    with serving(models.find(model), address) as server, dial(server.address) as sock:
        confirm(sock)
        sock.sendall(b"x" * 60_000 + b"\nlast")
        sock.shutdown(socket.SHUT_WR)
        assert read_all(sock) == b"x" * 60_000 + b"\nlast"

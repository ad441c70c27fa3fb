"""The load generator against real servers. Nothing here depends on how fast anything is: only on counts and bounds."""

import os
import socket
import subprocess
import sys
from contextlib import contextmanager, suppress
from itertools import count
from threading import Event, Lock, Thread
from time import monotonic

import psutil
import pytest

from tests.conftest import eventually, read_line
from threadserver import serving
from threadserver.clients.load import LoadError, Plan, error_kinds, holding, run
from threadserver.clients.load.slow_clients import SlowClients
from threadserver.core import services
from threadserver.core.address import Address
from threadserver.core.errors import KitError
from threadserver.core.models import iterative, thread

RESET = b"\1\0\0\0\0\0\0\0"
SHORT = {"connections": 3, "seconds": 0.2, "warm_up": 0.0}


class Counting:
    """A service that counts what it is asked."""

    def __init__(self, service=services.echo):
        self.service = service
        self.asked = count()
        self.served = 0

    def __call__(self, line):
        self.served = next(self.asked) + 1  # one step for all threads
        return self.service(line)


@contextmanager
def peers(behave):
    """A server that does one thing with each connection, in a thread of its own."""
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def converse(connection):
            with connection, suppress(OSError, AssertionError):  # the client has left, or it does not confirm
                behave(connection)

        def serve():
            with suppress(OSError):
                while True:
                    Thread(target=converse, args=(listener.accept()[0],), daemon=True).start()

        runner = Thread(target=serve)
        runner.start()
        yield f"tcp://127.0.0.1:{listener.getsockname()[1]}"
        listener.shutdown(socket.SHUT_RDWR)
        runner.join()


def greet(connection):
    connection.sendall(b"HELLO server=a client=b connection=7 worker=1/2\n")
    assert read_line(connection) == b"CONFIRM 7\n"


@pytest.mark.parametrize("processes", [1, 2])
def test_each_answer_of_the_server_is_counted_once(processes):
    service = Counting()
    with serving(thread.serve, service=service) as server:
        result = run(Plan(server.address, processes=processes, **SHORT))
    assert service.served == result.latency.count  # those at the end were waited for
    assert 0 < result.requests <= result.latency.count <= result.requests + 3
    assert sum(result.per_connection) == result.requests
    assert (result.connected, result.errors, len(result.shares)) == (3, {}, processes)
    assert 1 / 3 <= result.fairness <= 1


def test_requests_of_the_warm_up_do_not_count():
    service = Counting()
    with serving(thread.serve, service=service) as server:
        result = run(Plan(server.address, connections=2, seconds=0.2, warm_up=0.3))
    assert 0 < result.latency.count < service.served


@pytest.mark.parametrize("address", ["tcp://127.0.0.1:0", "tcp://[::1]:0", "unix:@threadserver-load-test"])
@pytest.mark.parametrize("workload", ["echo", "churn"])
def test_every_kind_of_address(address, workload):
    with serving(thread.serve, address) as server:
        result = run(Plan(server.address, workload, **SHORT))
    assert result.requests > 0
    assert result.errors == {}


def test_a_name_with_several_addresses_is_tried_address_by_address(monkeypatch):
    with serving(thread.serve) as server:
        port = server.address.port
        several = [
            (socket.AF_INET6, socket.SOCK_STREAM, 6, "", ("::1", port, 0, 0)),
            (socket.AF_INET, socket.SOCK_STREAM, 6, "", ("127.0.0.1", port)),
        ]
        monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: several)
        assert run(Plan(f"tcp://both.example.org:{port}", **SHORT)).requests > 0


def test_no_such_host():
    with pytest.raises(KitError, match="no such host"):
        run(Plan("tcp://no.such.host.invalid:1"))


@pytest.mark.parametrize("payload", [1, 2, 65_536])
def test_every_length_of_line(payload):
    with serving(thread.serve) as server:
        result = run(Plan(server.address, payload=payload, **SHORT))
    assert (result.requests > 0, result.errors) == (True, {})


def test_plain_lines():
    with serving(thread.serve, confirm=False) as server:
        for workload in ("echo", "churn", "idle"):
            result = run(Plan(server.address, workload, confirm=False, **SHORT))
            assert (result.connected, result.errors) == (3, {})


def test_sleep_takes_as_long_as_it_says():
    with serving(thread.serve, service=services.sleep) as server:
        result = run(Plan(server.address, "sleep", connections=5, seconds=0.5, warm_up=0.0))
    assert result.errors == {}
    assert result.latency.percentile(50) >= 0.00999
    assert result.requests <= 5 * (result.seconds / 0.01 + 1)
    # Each connection always waits for an answer: so what all have waited adds up to the time itself, and no more.
    waited = result.latency.mean * result.latency.count / 5
    assert 0.99 * result.seconds <= waited <= result.seconds + 2 * result.latency.max


@pytest.mark.parametrize("rate", [None, 100.0])
@pytest.mark.parametrize("workload", ["sleep", "spin"])
def test_an_echo_server_gives_the_answers_of_sleep_and_spin_too_early(workload, rate):
    service = Counting()
    with serving(thread.serve, service=service) as server:
        result = run(Plan(server.address, workload, milliseconds=30_000, rate=rate, **SHORT))
    assert (result.requests, result.latency.count) == (0, 0)
    assert result.errors == {"too early": service.served}


@pytest.mark.parametrize("workload", ["sleep", "spin"])
def test_in_open_loop_sleep_and_spin_are_not_too_early_either(workload):
    with serving(thread.serve, service=services.SERVICES[workload]) as server:
        result = run(Plan(server.address, workload, rate=50, **SHORT))
    assert (result.latency.count > 0, result.errors) == (True, {})


def test_spin_and_octets():
    for workload, service in (("spin", services.spin), ("octets", services.octets)):
        with serving(thread.serve, service=service) as server:
            result = run(Plan(server.address, workload, payload=4000, **SHORT))
        assert (result.requests > 0, result.errors) == (True, {})


def test_octets_may_be_any_bytes_of_the_right_number():
    with serving(thread.serve, service=lambda line: b"y" * (int(line) - 1)) as server:
        result = run(Plan(server.address, "octets", payload=4000, **SHORT))
    assert (result.requests > 0, result.errors) == (True, {})
    with serving(thread.serve, service=lambda line: b"y" * int(line)) as server:
        result = run(Plan(server.address, "octets", payload=4000, **SHORT))
    assert (result.requests, set(result.errors)) == (0, {"wrong answer"})


def test_in_open_loop_every_request_is_sent_exactly_once():
    service, begun = Counting(), monotonic()
    with serving(thread.serve, service=service) as server:
        result = run(Plan(server.address, connections=3, seconds=0.5, warm_up=0.2, rate=100, processes=2))
    assert result.latency.count == pytest.approx(50, abs=2)
    assert 68 <= service.served <= 100 * (monotonic() - begun)
    assert result.errors == {}
    assert result.lateness.count <= result.latency.count


def test_a_stalled_server_cannot_hide_its_stall_in_open_loop():
    everybody, asked = Lock(), count(1)

    def stall_once(line):
        with everybody:
            if next(asked) == 200:
                Event().wait(0.5)
        return line

    with serving(thread.serve, service=stall_once) as server:
        result = run(Plan(server.address, seconds=1.5, warm_up=0.0, rate=200))
    assert result.errors == {}
    assert result.latency.count == pytest.approx(300, abs=2)
    assert result.latency.percentile(99.9) >= 0.499
    # The 80 requests that were due in the first 0.4 s of it waited 0.1 s or more, and not one for each connection.
    assert result.latency.percentile(100 * (1 - 70 / 300)) >= 0.1


@pytest.mark.parametrize("ending", ["hangs", "closes"])
def test_a_server_that_stops_answering_looks_worse_in_open_loop(ending):
    turns, all_over = count(1), Event()

    def converse(connection):
        greet(connection)
        while line := read_line(connection):
            if next(turns) > 50:
                if ending == "hangs":
                    all_over.wait()
                return
            connection.sendall(line)

    with peers(converse) as address:
        result = run(Plan(address, seconds=1.0, warm_up=0.0, rate=200, timeout=0.5))
        all_over.set()
    assert result.requests == 50
    assert result.seconds >= 0.99
    assert result.latency.count == result.due == pytest.approx(200, abs=2)
    longest = {"hangs": 1.25, "closes": 0.75}[ending]  # until it was given up, or until the end: as long at least
    held_up = result.latency.max - longest  # so much later the generator got to measure: some of the 50 were due before
    assert held_up >= -0.02
    assert result.unanswered == pytest.approx(150 + 200 * held_up, abs=3)
    assert sum(result.errors.values()) == pytest.approx(result.unanswered, abs=1)
    assert result.latency.percentile(65) >= longest / 2


def test_ctrl_c_does_not_hide_a_server_that_stops_answering():
    turns, all_over, begun = count(1), Event(), monotonic()

    def converse(connection):
        greet(connection)
        while line := read_line(connection):
            if next(turns) > 10:
                all_over.wait()
            connection.sendall(line)

    def press(what, part):
        if what == "measuring" and part > 0.08:  # of ten seconds: 160 are due, or fewer if it began late
            raise KeyboardInterrupt

    with peers(converse) as address:
        result = run(Plan(address, connections=2, seconds=10.0, warm_up=0.0, rate=200), press)
        all_over.set()
    assert (result.requests, result.interrupted) == (10, True)
    assert 20 <= result.due <= 200 * (monotonic() - begun)
    assert result.latency.count == result.due
    assert result.due - 10 <= result.unanswered <= result.due
    assert result.errors == {"not sent": pytest.approx(result.unanswered, abs=2)}  # two are still waited for
    assert result.latency.max >= 0.1


def test_an_impossible_rate_counts_as_not_sent_and_not_as_a_timeout():
    with serving(thread.serve, service=services.sleep) as server:
        result = run(Plan(server.address, "sleep", rate=1e9, timeout=0.2, **SHORT))
    assert set(result.errors) == {"not sent"}
    assert result.latency.count == pytest.approx(0.2e9, rel=0.01)
    assert result.latency.max <= 0.41


def test_a_server_that_stalls_is_not_the_generators_lateness():
    turns = count(1)

    def converse(connection):
        greet(connection)
        while line := read_line(connection):
            if next(turns) == 20:
                Event().wait(1.0)
            connection.sendall(line)

    with peers(converse) as address:
        result = run(Plan(address, connections=1, seconds=1.5, warm_up=0.0, rate=100))
    assert (result.errors, result.unanswered) == ({}, 0)
    assert result.latency.max >= 0.99
    assert result.lateness.max < 0.9


def test_a_delayed_generator_still_measures_its_whole_time(tmp_path):
    """In the warm-up it is stopped for longer than it was to measure."""
    with serving(thread.serve) as server:
        held_up = []

        def look(what, part):
            if what == "warming up" and not held_up:
                (child,) = psutil.Process().children()
                held_up.append(child)
                child.suspend()
            elif what == "waiting for the last answers" and held_up[0].status() == psutil.STATUS_STOPPED:
                held_up[0].resume()

        result = run(Plan(server.address, connections=2, seconds=0.3, warm_up=0.3, timeout=20), look)
    assert held_up
    assert result.seconds >= 0.29
    assert (result.requests > 0, result.errors) == (True, {})


def test_errors_of_the_warm_up_are_counted_separately():
    service = Counting(lambda line: line[::-1] if service.served <= 20 else line)
    with serving(thread.serve, service=service) as server:
        result = run(Plan(server.address, connections=1, seconds=0.2, warm_up=1.0))
    assert (result.errors, result.warm_up_errors) == ({}, {"wrong answer": 20})
    assert result.flawed


def test_a_server_that_ends_in_the_warm_up_answers_nothing():
    turns = count(1)

    def converse(connection):
        greet(connection)
        while (line := read_line(connection)) and next(turns) < 10:
            connection.sendall(line)

    with peers(converse) as address:
        result = run(Plan(address, connections=1, seconds=0.2, warm_up=10.0))  # it is over when the server is
    assert (result.requests, result.latency.count, result.seconds) == (0, 0, 0)
    assert result.failure.startswith(f"no answer from {address} in the measured time: ")


def test_wrong_answers_do_not_count_as_throughput():
    service = Counting(lambda line: line[::-1])
    with serving(thread.serve, service=service) as server:
        result = run(Plan(server.address, **SHORT))
    assert (result.requests, result.latency.count) == (0, 0)
    assert result.errors == {"wrong answer": service.served}
    assert "wrong answer" in result.failure


def test_only_the_right_answers_of_an_unreliable_server_count():
    turns = count()
    service = Counting(lambda line: line if next(turns) % 2 else line[1:])
    with serving(thread.serve, service=service) as server:
        result = run(Plan(server.address, **SHORT))
    assert result.requests > 0
    assert result.latency.count + result.errors["wrong answer"] == service.served


def test_another_clients_answer_is_wrong():
    last = [b""]

    def mix_up(line):
        last[0], answer = line, last[0]
        return answer

    with serving(thread.serve, service=mix_up) as server:
        result = run(Plan(server.address, **SHORT))
    assert (result.requests, set(result.errors)) == (0, {"wrong answer"})


def test_a_service_that_fails_answers_with_error_lines():
    service = Counting(services.octets)
    with serving(thread.serve, service=service) as server:
        result = run(Plan(server.address, **SHORT))
    assert result.errors == {"ERROR line": service.served}


def test_a_refusal_by_a_full_server_is_counted_and_the_others_go_on():
    with serving(thread.serve, max_connections=1) as server:
        result = run(Plan(server.address, **SHORT))
    assert (result.connected, result.connect_failures, result.errors) == (1, 2, {"full": 2})
    assert result.fairness == pytest.approx(1 / 3)
    assert result.per_connection.count(0) == 2


def test_an_iterative_server_lets_the_others_wait_for_a_hello():
    with serving(iterative.serve) as server:
        result = run(Plan(server.address, timeout=0.5, **SHORT))
    assert (result.connected, result.errors) == (1, {"no HELLO": 2})
    assert result.requests > 0


@pytest.mark.parametrize("workload", ["echo", "churn", "idle"])
def test_no_server_listens(workload):
    with socket.create_server(("127.0.0.1", 0)) as gone:
        address = f"tcp://127.0.0.1:{gone.getsockname()[1]}"
    result = run(Plan(address, workload, **SHORT))
    assert (result.requests, set(result.errors)) == (0, {"refused"})
    assert result.failure.startswith(f"no answer from {address}: refused")


def test_no_server_listens_at_a_path(tmp_path):
    assert set(run(Plan(f"unix://{tmp_path}/none", **SHORT)).errors) == {"refused"}


def test_a_full_backlog_of_a_local_socket_is_waited_for():
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind("\0threadserver-load-backlog")
        listener.listen(0)
        result = run(Plan("unix:@threadserver-load-backlog", timeout=0.3, **SHORT))
    assert set(result.errors) == {"no HELLO", "not connected"}
    assert sum(result.errors.values()) == 3


@pytest.mark.parametrize("rate", [None, 100.0])
@pytest.mark.parametrize(
    ("behave", "kind"),
    [
        (lambda connection: None, "closed"),
        (lambda connection: connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET), "reset"),
        (lambda connection: connection.sendall(b"ERROR I am tired\n"), "ERROR line"),
        (lambda connection: connection.sendall(b"x" * 70_000), "wrong answer"),
    ],
)
def test_connections_that_are_lost_are_counted_by_kind(behave, kind, rate):
    def converse(connection):
        greet(connection)
        read_line(connection)
        behave(connection)

    with peers(converse) as address:
        result = run(Plan(address, rate=rate, **SHORT))
    assert result.errors.pop("not sent", 0) >= 0
    assert result.requests == 0
    assert sum(result.errors.values()) >= 3
    assert kind in result.errors


@pytest.mark.parametrize(
    ("greeting", "kind"),
    [(b"220 mail.example.org ESMTP\r\n", "bad HELLO"), (b"ERROR go away\n", "ERROR line"), (b"", "closed")],
)
def test_connections_that_are_not_greeted_are_counted_by_kind(greeting, kind):
    with peers(lambda connection: connection.sendall(greeting)) as address:
        result = run(Plan(address, **SHORT))
    assert (result.connected, result.errors) == (0, {kind: 3})


@pytest.mark.parametrize("rate", [None, 100.0])
def test_the_generator_gives_up_a_hung_server_after_the_timeout(rate):
    with serving(thread.serve, service=services.discard) as server:
        result = run(Plan(server.address, rate=rate, timeout=0.3, **SHORT))
    assert result.requests == 0
    assert result.errors["timeout"] == 3
    if rate:
        assert 18 <= sum(result.errors.values()) <= 25  # all that were due, and three perhaps before


def test_answers_in_pieces_are_put_together():
    def converse(connection):
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        for piece in (b"HEL", b"LO server=a client=b connec", b"tion=7 worker=1/2\n"):
            connection.sendall(piece)
        assert read_line(connection) == b"CONFIRM 7\n"
        while True:
            line = read_line(connection)
            connection.sendall(line[:5])
            connection.sendall(line[5:])

    with peers(converse) as address:
        result = run(Plan(address, **SHORT))
    assert (result.requests > 0, result.errors) == (True, {})


def test_more_bytes_than_requested_are_wrong():
    def converse(connection):
        greet(connection)
        while True:
            connection.sendall(2 * read_line(connection))

    with peers(converse) as address:
        assert run(Plan(address, **SHORT)).errors == {"wrong answer": 3}


def test_churn_counts_each_connection_once():
    service = Counting()
    with serving(thread.serve, service=service) as server:
        result = run(Plan(server.address, "churn", **SHORT))
    assert result.latency.count == service.served
    assert result.requests <= result.latency.count <= result.requests + 3
    assert (result.connected, result.errors) == (3, {})


def test_churn_goes_on_when_connections_fail():
    turns = count()

    def converse(connection):
        if next(turns) % 2:
            greet(connection)
            connection.sendall(read_line(connection))
            connection.recv(1)

    with peers(converse) as address:
        result = run(Plan(address, "churn", **SHORT))
    assert result.requests > 0
    assert set(result.errors) <= {"closed", "reset"}
    assert result.errors


def test_idle_connections_are_held():
    with serving(thread.serve) as server:
        most = 0

        def look(what, part):
            nonlocal most
            most = max(most, len(server.conversations))

        result = run(Plan(server.address, "idle", connections=50, seconds=0.5), look)
    assert most == 50
    assert (result.connected, result.errors, result.requests, result.failure) == (50, {}, 0, None)


@pytest.mark.parametrize("workload", ["echo", "sleep", "slow"])
def test_holding_keeps_connections_until_the_block_is_left(workload):
    service = services.sleep if workload == "sleep" else services.echo
    with serving(thread.serve, service=service) as server:
        with holding(Plan(server.address, workload, connections=20, processes=2)) as held:
            assert held.connected == 20
            assert len(server.conversations) == 20
            assert held.release() == {}
        eventually(lambda: not server.conversations, "all have left")


def test_slow_clients_are_counted_separately():
    with serving(thread.serve) as server:
        result = run(Plan(server.address, "slow", seconds=0.6, connections=3))
    assert (result.requests > 0, result.errors, result.slow.errors) == (True, {}, {})
    assert (result.slow.clients, result.slow.connected) == (4, 4)
    assert result.slow.requests > 0
    assert result.slow.latency.percentile(50) > 0.19 > result.latency.percentile(50)


def test_slow_clients_block_an_iterative_server():
    with serving(iterative.serve) as server:
        result = run(Plan(server.address, "slow", timeout=0.5, **SHORT))
    assert result.slow.connected == 1
    assert (result.requests, result.errors) == (0, {"no HELLO": 3})


def test_slow_clients_that_are_never_answered_are_an_error():
    def converse(connection):
        greet(connection)
        first = connection.recv(100)  # a fast client's is a whole line
        while first.endswith(b"\n"):
            connection.sendall(first)
            first = read_line(connection)
        while connection.recv(65_536):
            pass

    with peers(converse) as address:
        result = run(Plan(address, "slow", timeout=0.5, **SHORT))
    assert (result.requests > 0, result.errors) == (True, {})
    assert (result.slow.requests, result.slow.errors) == (0, {"timeout": 4})


def test_errors_of_slow_clients_are_counted_too():
    def converse(connection):
        greet(connection)
        while line := read_line(connection):
            connection.sendall(line.upper())

    with peers(converse) as address:
        slow_clients = SlowClients(Plan(Address.parse(address), "slow"), 4)
        eventually(lambda: sum(slow_clients.errors.values()) == 4, "each has seen that it is wrong")
    assert set(slow_clients.errors) == {error_kinds.WRONG}


@pytest.mark.long
def test_a_thousand_connections():
    with serving(thread.serve, backlog=1024) as server:
        result = run(Plan(server.address, connections=1000, seconds=0.3, timeout=30))
    assert (result.connected, result.errors) == (1000, {})


def test_a_core_that_does_not_exist():
    with pytest.raises(LoadError, match="cannot pin to core 4095: invalid argument; allowed: 0"):
        run(Plan("tcp://127.0.0.1:1", cpus={4095}))


def test_processes_are_pinned_to_one_core_each():
    core = min(os.sched_getaffinity(0))
    with serving(thread.serve) as server:
        seen = set()

        def look(what, part):
            for child in psutil.Process().children():
                with suppress(psutil.NoSuchProcess):
                    seen.add(frozenset(child.cpu_affinity()))

        run(Plan(server.address, seconds=0.5, cpus={core}), look)
    assert frozenset({core}) in seen


def test_too_few_descriptors_are_reported_before_the_start():
    """Root raises the limit; without that right the message says what to do."""
    program = """
import sys
from threadserver.clients.load import LoadError, Plan, run
try:
    print(run(Plan(sys.argv[1], connections=100, seconds=0.2)).connected)
except LoadError as error:
    print(error)
"""

    def load(*prefix):
        limited = ["prlimit", "--nofile=64:64", *prefix, sys.executable, "-c", program, str(server.address)]
        return subprocess.run(limited, capture_output=True, text=True, timeout=60).stdout

    with serving(thread.serve) as server:
        assert load("setpriv", "--bounding-set=-sys_resource") == (
            "100 connections in one process need 116 descriptors, but the limit is 64 (ulimit -Hn): "
            "use fewer connections or more processes\n"
        )
        may_raise = subprocess.run(["prlimit", "--nofile=64:64", "prlimit", "--nofile=65:65", "true"]).returncode == 0
        assert (load() == "100\n") == may_raise


def test_a_generator_whose_parent_dies_leaves():
    program = "import sys; from clients.load import *; run(Plan(sys.argv[1], seconds=1000))"
    with serving(thread.serve) as server:
        with subprocess.Popen([sys.executable, "-c", program, str(server.address)]) as parent:
            eventually(lambda: len(server.conversations) == 10, "all are connected")
            parent.kill()
        eventually(lambda: not server.conversations, "all have left")


def test_a_process_that_dies_is_an_error_of_one_line(monkeypatch):
    monkeypatch.setenv("PYTHONHOME", "/nowhere")
    with pytest.raises(LoadError, match="a generating process ended: ") as error:
        run(Plan("tcp://127.0.0.1:1"))
    assert "\n" not in str(error.value)


def test_a_process_that_cannot_be_started(monkeypatch):
    monkeypatch.setattr(sys, "executable", "/nowhere/python")
    with pytest.raises(LoadError, match="cannot start a generating process: no such file or directory"):
        run(Plan("tcp://127.0.0.1:1"))

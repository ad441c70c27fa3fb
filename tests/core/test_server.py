"""The server over real sockets: one conversation, many at once, stopping, time-outs, refusals."""

import errno
import os
import socket
import threading
from threading import Barrier, Event, Thread

import pytest

from tests.conftest import bystander, confirm, dial, eventually, read_all, read_line
from tests.rude import RUDE, never_reads_its_answers
from threadserver import Server, serving
from threadserver.clients import Client
from threadserver.core import services
from threadserver.core.errors import KitError, UsageError
from threadserver.core.models import iterative, thread

ADDRESSES = ["tcp://127.0.0.1:0", "tcp://[::1]:0", "unix"]


@pytest.fixture(params=ADDRESSES)
def address(request, tmp_path):
    return f"unix://{tmp_path}/echo.sock" if request.param == "unix" else request.param


def test_hello_names_both_ends_and_the_thread_that_serves():
    with serving(thread.serve) as server, dial(server.address) as sock:
        fields = dict(word.split("=") for word in read_line(sock).decode().split()[1:])
        host, port = sock.getsockname()
        assert fields["client"] == f"tcp://{host}:{port}"
        assert fields["server"] == str(server.address)
        process, task = map(int, fields["worker"].split("/"))
        assert process == os.getpid()
        assert os.path.isdir(f"/proc/{process}/task/{task}")
        assert task != process


def test_an_ipv4_client_of_a_server_on_every_address_is_written_as_ipv4():
    with serving(thread.serve, "tcp://[::]:0") as server, Client(f"tcp://127.0.0.1:{server.address.port}") as client:
        assert client.hello.client.startswith("tcp://127.0.0.1:")
        assert client.hello.server == f"tcp://127.0.0.1:{server.address.port}"


def test_each_connection_has_a_thread_of_its_own_and_the_loop_goes_on_accepting():
    with serving(thread.serve) as server:
        with dial(server.address) as silent:  # never confirms
            read_line(silent)
            clients = [Client(server.address) for _ in range(20)]
            for client in reversed(clients):
                assert client.ask(b"hello") == b"hello"
            assert len({client.hello.worker for client in clients}) == 20
            assert len({client.hello.connection for client in clients}) == 20
            for client in clients:
                client.close()
        eventually(lambda: not server.conversations, "every conversation is over")


def test_an_iterative_server_serves_the_second_client_when_the_first_has_gone():
    with serving(iterative.serve) as server:
        first = Client(server.address)
        with dial(server.address) as second:
            assert first.ask(b"hello") == b"hello"
            second.setblocking(False)
            with pytest.raises(BlockingIOError):
                second.recv(1)
            first.close()
            second.settimeout(30)
            assert read_line(second).startswith(b"HELLO")


def test_without_confirmation_it_speaks_plain_lines():
    with serving(thread.serve, confirm=False) as server, dial(server.address) as sock:
        sock.sendall(b"one\ntwo\nlast")
        sock.shutdown(socket.SHUT_WR)
        assert read_all(sock) == b"one\ntwo\nlast"


def test_a_user_can_name_another_protocol(serve, tmp_path):
    (tmp_path / "shout.py").write_text(
        "from threadserver.core.conversation import Conversation\n"
        "class Shout(Conversation):\n"
        "    def greet(self, worker):\n"
        "        self.established = self._plain = True\n"
        "        return b'WELCOME\\n'\n"
    )
    server = serve("tcp://127.0.0.1:0", "--conversation", f"{tmp_path}/shout.py:Shout")
    with dial(server.address) as sock:
        assert read_line(sock) == b"WELCOME\n"
        sock.sendall(b"hello\n")
        assert read_line(sock) == b"hello\n"


# Clients that are rude. Another client must not notice, and nothing may be left behind.


@pytest.mark.parametrize("behave", RUDE, ids=lambda behave: behave.__name__)
def test_a_rude_client_disturbs_no_other_client_and_leaves_nothing(behave, address):
    with serving(thread.serve, address) as server, bystander(server) as other:
        eventually(lambda: workers() == 1, "the bystander's worker is the only one")
        descriptors = len(os.listdir("/proc/self/fd"))
        for _ in range(3):
            with dial(server.address) as sock:
                behave(sock)
                assert other.ask(b"meanwhile") == b"meanwhile"
        eventually(lambda: len(server.conversations) == 1, "only the bystander is left")
        eventually(lambda: workers() == 1, "the workers are gone")
        eventually(lambda: len(os.listdir("/proc/self/fd")) == descriptors, "all descriptors are closed")


def workers():
    return sum("converse" in thread.name for thread in threading.enumerate())


@pytest.mark.long
def test_rude_clients_leave_no_memory_behind(serve):
    def used():
        with open(f"/proc/{server.pid}/smaps_rollup") as lines:
            return next(int(line.split()[1]) for line in lines if line.startswith("Pss_Anon:"))

    def disturb():
        for _ in range(5):
            for behave in RUDE:
                with dial(server.address) as sock:
                    behave(sock)
        eventually(lambda: len(server.tasks) == tasks and server.descriptors == descriptors, "all workers are gone")
        return used()

    server = serve("tcp://127.0.0.1:0")
    with Client(server.address) as first:
        first.ask(b"warm")
    eventually(lambda: len(server.tasks) == 2, "the main thread and that of the time-outs are left")
    tasks, descriptors = len(server.tasks), server.descriptors
    disturb()  # the allocator's own stock fills up
    settled = [disturb() for _ in range(4)]
    assert settled[-1] - settled[0] < 1024, f"KiB after each of four times 60 rude clients: {settled}"


# Time-outs.


def test_a_client_that_never_confirms_is_told_and_closed():
    with serving(thread.serve, confirm_timeout=0.2) as server, dial(server.address) as sock:
        read_line(sock)
        assert read_all(sock) == b"ERROR not confirmed within 0.2 s\n"
        eventually(lambda: not server.conversations, "the conversation is over")


def test_a_client_that_trickles_its_confirmation_is_late_as_well():
    with serving(thread.serve, confirm_timeout=0.2) as server, dial(server.address) as sock:
        read_line(sock)
        answer = b""
        sock.settimeout(0.02)
        while not answer:
            try:
                sock.sendall(b"x")
                answer = sock.recv(100)
            except TimeoutError:
                pass
        assert answer == b"ERROR not confirmed within 0.2 s\n"


def test_an_idle_client_is_told_and_closed():
    with serving(thread.serve, idle_timeout=0.2) as server, dial(server.address) as sock:
        confirm(sock)
        assert read_all(sock) == b"ERROR idle for 0.2 s\n"


def test_the_confirmation_time_out_ends_with_the_confirmation():
    with serving(thread.serve, confirm_timeout=0.3) as server, Client(server.address) as client:
        with dial(server.address) as late:  # its limit runs out after the client's would have
            read_line(late)
            assert read_all(late).startswith(b"ERROR not confirmed")
        assert client.ask(b"hello") == b"hello"


def test_a_client_that_waits_for_an_answer_is_not_idle():
    with serving(thread.serve, service=services.sleep, idle_timeout=0.25) as server, Client(server.address) as client:
        assert client.ask(b"700") == b"700"


def test_a_client_that_never_reads_is_shut_down_when_it_is_idle():
    with serving(thread.serve, idle_timeout=0.2) as server, dial(server.address) as sock:
        never_reads_its_answers(sock)
        eventually(lambda: not server.conversations, "the worker was freed from sendall()")


def test_without_time_outs_a_client_may_be_silent():
    with serving(thread.serve, confirm_timeout=0, idle_timeout=0) as server, dial(server.address) as sock:
        confirm(sock)
        sock.sendall(b"hello\n")
        assert read_line(sock) == b"hello\n"


# Refusals.


def test_clients_beyond_the_limit_are_refused_until_others_leave(address):
    with serving(thread.serve, address, max_connections=2) as server:
        first, second = Client(server.address), Client(server.address)
        for _ in range(3):
            with dial(server.address) as third:
                assert read_all(third) == b"ERROR server is full\n"
        assert first.ask(b"hello") == second.ask(b"hello") == b"hello"
        first.close()
        eventually(lambda: len(server.conversations) == 1, "the server has seen the first one leave")
        with Client(server.address) as fourth:
            assert fourth.ask(b"hello") == b"hello"
        second.close()


def test_a_client_is_refused_when_no_thread_can_be_started(monkeypatch):
    def no_thread(self):
        raise RuntimeError("can't start new thread")

    with serving(thread.serve) as server, bystander(server):
        with monkeypatch.context() as patch:
            patch.setattr(Thread, "start", no_thread)
            with dial(server.address) as sock:
                assert read_all(sock) == b"ERROR server is full\n"


def test_a_service_that_raises_concerns_only_its_client(caplog):
    def service(line):
        if line == b"bad":
            raise ZeroDivisionError
        return line

    with serving(thread.serve, service=service) as server, bystander(server), Client(server.address) as client:
        assert client.ask(b"bad") == b"ERROR service failed: ZeroDivisionError"
        assert client.ask(b"good") == b"good"
    assert "ZeroDivisionError" in caplog.text


# Stopping.


@pytest.mark.parametrize("model", [thread, iterative])
def test_stop_ends_idle_clients_and_sends_what_is_owed(model, address):
    working, go = Event(), Event()

    def service(line):
        working.set()
        assert go.wait(30)
        return line

    with Server(address, service) as server:
        runner = Thread(target=server.run, args=(model.serve,))
        runner.start()
        with dial(server.address) as busy:
            confirm(busy)
            busy.sendall(b"one\n")
            working.wait(30)
            with dial(server.address) as other:
                server.stop()
                go.set()
                assert read_all(busy) == b"one\n"
                read_all(other)
        runner.join(30)
        assert not runner.is_alive()
        assert not server.conversations


def test_stop_does_not_wait_for_a_client_that_never_reads(address):
    with serving(thread.serve, address) as server:
        sock = dial(server.address)
        never_reads_its_answers(sock)
        server.stop()
        eventually(lambda: not server.conversations, "the worker was freed from sendall()")
        sock.close()


def test_a_server_that_was_stopped_before_it_ran_does_not_run():
    with Server() as server:
        server.stop()
        server.run(thread.serve)


def test_a_restart_on_the_same_port_works_at_once():
    with serving(thread.serve) as server:
        client = Client(server.address)
        client.ask(b"hello")
    with serving(thread.serve, server.address), Client(server.address) as again:
        assert again.ask(b"hello") == b"hello"
    client.close()


# Listening.


def test_an_address_in_use_is_reported():
    with Server() as server, pytest.raises(KitError, match=r"cannot bind .*: address already in use") as failure:
        Server(server.address)
    assert failure.value.exit_code == 1


def test_an_address_of_another_machine_is_reported():
    with pytest.raises(KitError, match="cannot assign requested address"):
        Server("tcp://192.0.2.1:7000")


def test_names_instead_of_functions_are_rejected():
    with pytest.raises(TypeError, match="a service is a function"):
        Server(service="upper")
    with pytest.raises(TypeError, match="a model is a function"), serving("thread"):
        pass


def test_datagrams_have_no_connections():
    with pytest.raises(UsageError, match="datagram"):
        Server("udp://127.0.0.1:0")


def test_a_local_sockets_file_goes_with_its_server(tmp_path):
    with serving(thread.serve, f"unix://{tmp_path}/echo.sock"):
        assert (tmp_path / "echo.sock").is_socket()
    assert not (tmp_path / "echo.sock").exists()


def test_the_file_of_a_killed_server_is_replaced_but_not_that_of_a_living_one(tmp_path):
    path = tmp_path / "echo.sock"
    with socket.socket(socket.AF_UNIX) as killed:
        killed.bind(str(path))
    with serving(thread.serve, f"unix://{path}") as server:
        with Client(server.address) as client:
            assert client.ask(b"hello") == b"hello"
        with pytest.raises(KitError, match="already in use"):
            Server(f"unix://{path}")


def test_stopping_leaves_the_file_of_another_server_alone(tmp_path):
    path = tmp_path / "echo.sock"
    with serving(thread.serve, f"unix://{path}"):
        path.unlink()
        second = Server(f"unix://{path}")
    assert path.is_socket()
    second.close_listener()
    assert not path.exists()


def test_a_file_that_is_not_a_socket_is_left_alone(tmp_path):
    (tmp_path / "thesis.txt").write_text("years of work")
    with pytest.raises(KitError, match="the file there is not a socket"):
        Server(f"unix://{tmp_path}/thesis.txt")
    assert (tmp_path / "thesis.txt").read_text() == "years of work"


def test_a_local_socket_needs_no_file():
    with serving(thread.serve, "unix:@threadserver-test") as server, Client("unix:@threadserver-test") as client:
        assert str(server.address) == client.hello.server == "unix:@threadserver-test"


def test_an_accept_that_fails_for_one_connection_does_not_end_the_loop(monkeypatch):
    with Server() as server:
        real, failures = server.listener, iter([errno.ECONNABORTED, errno.EPROTO])

        class Failing:
            def accept(self):
                for number in failures:
                    raise OSError(number, os.strerror(number))
                return real.accept()

            def __getattr__(self, name):
                return getattr(real, name)

        monkeypatch.setattr(server, "listener", Failing())
        runner = Thread(target=server.run, args=(thread.serve,))
        runner.start()
        with Client(real_address(real)) as client:
            assert client.ask(b"hello") == b"hello"
        server.stop()
        runner.join()


def real_address(listener):
    host, port = listener.getsockname()
    return f"tcp://{host}:{port}"


def test_many_clients_come_and_go_at_once():
    together = Barrier(40)

    def come_and_go(failures):
        together.wait()
        try:
            for _ in range(10):
                with Client(server.address, timeout=30) as client:
                    assert client.ask(b"hello") == b"hello"
        except Exception as error:  # noqa: BLE001
            failures.append(error)

    failures = []
    with serving(thread.serve) as server:
        crowd = [Thread(target=come_and_go, args=(failures,)) for _ in range(40)]
        for one in crowd:
            one.start()
        for one in crowd:
            one.join()
        assert not failures
        eventually(lambda: not server.conversations, "every conversation is over")

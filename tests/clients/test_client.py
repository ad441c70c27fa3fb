import socket
from contextlib import contextmanager, suppress
from threading import Thread

import pytest

from tests.conftest import PATIENCE, read_line
from threadserver import serving
from threadserver.clients import Client
from threadserver.clients.client import ConnectError, DisconnectedError
from threadserver.clients.client_conversation import ProtocolError
from threadserver.core import services
from threadserver.core.errors import KitError
from threadserver.core.models import iterative, thread

RESET = b"\1\0\0\0\0\0\0\0"


@contextmanager
def peer(behave):
    """A foreign server that does one thing with one connection."""
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def serve():
            connection, _ = listener.accept()
            with connection:
                behave(connection)

        runner = Thread(target=serve)
        runner.start()
        yield f"tcp://127.0.0.1:{listener.getsockname()[1]}"
        runner.join()


def greet(connection):
    connection.sendall(b"HELLO server=a client=b connection=7 worker=1/2\n")
    assert read_line(connection) == b"CONFIRM 7\n"


def test_it_confirms_what_hello_says_and_asks():
    def behave(connection):
        greet(connection)
        assert read_line(connection) == b"hello\n"
        connection.sendall(b"wor")
        connection.sendall(b"ld\n")

    with peer(behave) as address, Client(address) as client:
        assert client.hello.connection == 7
        assert client.ask(b"hello") == b"world"
        assert client.receive() is None


def test_answers_that_are_owed_come_after_a_half_close():
    with serving(thread.serve) as server, Client(server.address) as client:
        for line in (b"one", b"two", b"three"):
            client.send(line)
        client.finish()
        assert list(client) == [b"one", b"two", b"three"]


def test_a_line_cannot_hold_a_line_feed():
    with serving(thread.serve) as server, Client(server.address) as client, pytest.raises(ValueError):
        client.ask(b"one\ntwo")


def test_nothing_listens():
    with socket.create_server(("127.0.0.1", 0)) as gone:
        address = f"tcp://127.0.0.1:{gone.getsockname()[1]}"
    with pytest.raises(ConnectError, match="connection refused; nothing listens there"):
        Client(address)


def test_nothing_listens_at_a_path(tmp_path):
    with pytest.raises(ConnectError, match="no such file or directory; nothing listens there"):
        Client(f"unix://{tmp_path}/none")


def test_no_such_host():
    with pytest.raises(KitError, match="no such host"):
        Client("tcp://no.such.host.invalid:7000")


def test_no_hello():
    with serving(iterative.serve) as server, Client(server.address):
        with pytest.raises(ConnectError, match=r"took the connection but sent no HELLO within 0\.1 s"):
            Client(server.address, timeout=0.1)


def test_another_protocol():
    with peer(lambda connection: connection.sendall(b"220 mail.example.org ESMTP\r\n")) as address:
        with pytest.raises(ConnectError, match="expected HELLO, but the server sent '220 mail"):
            Client(address)


def test_full():
    with serving(thread.serve, max_connections=1) as server, Client(server.address):
        with pytest.raises(ConnectError, match="the server sent 'ERROR server is full'"):
            Client(server.address)


def test_closed_before_hello():
    with peer(lambda connection: None) as address, pytest.raises(ConnectError, match="without a HELLO"):
        Client(address)


def test_reset_before_hello():
    with peer(lambda connection: connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)) as address:
        with pytest.raises(ConnectError, match="connection reset by peer"):
            Client(address)


def test_closed_while_an_answer_is_owed():
    def behave(connection):
        greet(connection)
        connection.recv(100)

    with peer(behave) as address, Client(address) as client:
        with pytest.raises(DisconnectedError, match="while it owed an answer"):
            client.ask(b"hello")


def test_reset_while_an_answer_is_owed():
    def behave(connection):
        greet(connection)
        connection.recv(100)
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)

    with peer(behave) as address, Client(address) as client:
        with pytest.raises(DisconnectedError, match="connection reset"):
            client.ask(b"hello")


def test_an_endless_answer():
    def behave(connection):
        greet(connection)
        with suppress(ConnectionError):  # the client leaves in the middle of it
            connection.sendall(b"x" * 70_000)
            connection.recv(100)

    with peer(behave) as address, Client(address) as client, pytest.raises(ProtocolError, match="longer than"):
        client.receive()


def test_a_silent_server():
    with serving(thread.serve, service=services.discard) as server, Client(server.address, timeout=0.1) as client:
        with pytest.raises(TimeoutError):
            client.ask(b"hello")


def test_a_name_with_several_addresses_is_tried_address_by_address(monkeypatch):
    with serving(thread.serve) as server:
        port = server.address.port
        several = [
            (socket.AF_INET6, socket.SOCK_STREAM, 6, "", ("::1", port, 0, 0)),
            (socket.AF_INET, socket.SOCK_STREAM, 6, "", ("127.0.0.1", port)),
        ]
        monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: several)
        with Client(f"tcp://both.example.org:{port}", timeout=PATIENCE) as client:
            assert client.ask(b"hello") == b"hello"

"""Out of descriptors, out of threads: served clients stay served, the others are told, and the server recovers."""

import os
import resource

import pytest

from tests.conftest import descriptors, dial, eventually, read_all
from threadserver.clients import Client
from threadserver.clients.client import ConnectError
from threadserver.core.accepting import Acceptor
from threadserver.core.admission import ConnectionLimit


def fill(server, clients, most=1000):
    """Connect until the server says that it is full."""
    while True:
        sock = dial(server.address)
        greeting = sock.recv(200)
        if greeting == b"ERROR server is full\n":
            sock.close()
            return
        assert greeting.startswith(b"HELLO")
        sock.sendall(b"CONFIRM %d\n" % int(greeting.split(b"connection=")[1].split()[0]))
        clients.append(sock)
        assert len(clients) < most


def admitted(address):
    """Return a client that is served; None while the server has not yet freed what earlier clients used."""
    try:
        return Client(address)
    except ConnectError:
        return None


def served(address):
    """Return whether one more client is served."""
    client = admitted(address)
    if client is None:
        return False
    with client:
        return client.ask(b"hello") == b"hello"


def answered(sock):
    sock.sendall(b"hello\n")
    return sock.recv(100) == b"hello\n"


def exercise(server):
    clients = []
    for _ in range(3):
        fill(server, clients)
        assert len(clients) > 5
        for _ in range(20):  # each refused client is told
            with dial(server.address) as sock:
                assert read_all(sock) == b"ERROR server is full\n"
        before = server.cpu_seconds
        assert all(answered(sock) for sock in clients)
        for _ in range(5):
            clients.pop().close()
        eventually(lambda: len(server.tasks) <= 2 + len(clients), "five workers have ended")
        assert server.cpu_seconds - before < 1, "it spins"
    for sock in clients:
        sock.close()
    eventually(lambda: len(server.tasks) == 2, "every worker has ended")
    with Client(server.address) as client:
        assert client.ask(b"hello") == b"hello"


def test_out_of_descriptors(serve):
    server = serve(preexec=descriptors(40))
    exercise(server)
    assert server.stop()[0] == 0


def test_out_of_threads(serve):
    """A limit on the address space: no room for one more stack. (A limit on tasks does not bind root.)"""
    bound = 2**30
    server = serve(
        preexec=lambda: (
            resource.setrlimit(resource.RLIMIT_AS, (bound, bound)),
            resource.setrlimit(resource.RLIMIT_STACK, (8 * 2**20, 8 * 2**20)),
        )
    )
    exercise(server)
    assert server.stop()[0] == 0


def test_with_no_descriptor_left_a_waiting_server_does_not_spin(serve):
    """accept() fails at once on a full table, even when no client is waiting."""
    server = serve(preexec=descriptors(20))
    clients = []
    fill(server, clients)
    before = server.cpu_seconds
    for _ in range(2000):  # conversations as a clock: a loop that spins would use all the while
        assert answered(clients[0])
    spent = server.cpu_seconds - before
    assert spent < 1.5, f"{spent} s of CPU for 2000 answers"
    for sock in clients:
        sock.close()


def test_the_reserve_is_marked_as_gone_before_another_thread_can_get_its_descriptor(monkeypatch):
    acceptor, said, close = Acceptor(), [], os.close

    def note(descriptor):
        said.append(acceptor._reserve)
        close(descriptor)

    monkeypatch.setattr(os, "close", note)
    acceptor.release_reserve()
    assert said == [None]


def test_a_release_after_the_limit_was_closed_writes_to_no_other_descriptor():
    limit = ConnectionLimit(1)
    assert limit.acquire()
    limit.close()
    taken = [os.eventfd(0, os.EFD_NONBLOCK) for _ in range(4)]  # one of them has its number now
    limit.release()
    for descriptor in taken:
        with pytest.raises(BlockingIOError):
            os.eventfd_read(descriptor)
        os.close(descriptor)

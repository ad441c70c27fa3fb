"""One port for several listening sockets: every client reaches a process that accepts, even after one has ended."""

import os
import signal

from tests.conftest import eventually
from threadserver.clients import Client

MANY = 40
"""Enough clients for four processes: the kernel leaves one process out about once in 25 000 times."""


def workers(server):
    """Connect many clients, hold all of them, and return the processes that serve them."""
    clients = [Client(server.address) for _ in range(MANY)]
    assert all(client.ask(b"hello") == b"hello" for client in clients)
    found = {int(client.hello.worker.partition("/")[0]) for client in clients}
    for client in clients:
        client.close()
    return found


def test_every_process_gets_clients_and_a_dead_one_is_replaced(serve):
    server = serve("tcp://127.0.0.1:0", "--model", "reuseport")
    eventually(lambda: len(workers(server)) == 4, "all four listen")
    first = next(iter(sorted(server.children)))  # it had the socket that was there before any child
    os.kill(first, signal.SIGKILL)
    eventually(lambda: first not in server.children and len(server.children) == 4, "another one has been made")
    eventually(lambda: len(workers(server)) == 4, "it listens, too")
    assert server.stop()[0] == 0

"""One port for several listening sockets: no client is sent where nobody accepts, also when a process has ended."""

import os
import signal

from tests.conftest import eventually
from threadserver.clients import Client

MANY = 40
"""Clients of whom some reach each of four processes; that one is missed happens once in 25 000 times."""


def workers(server):
    """Let many clients come, hold all of them, and give the processes that serve them."""
    clients = [Client(server.address) for _ in range(MANY)]
    assert all(client.ask(b"hello") == b"hello" for client in clients)
    found = {int(client.hello.worker.partition("/")[0]) for client in clients}
    for client in clients:
        client.close()
    return found


def test_every_process_is_given_clients_and_one_that_has_died_is_replaced(serve):
    server = serve("tcp://127.0.0.1:0", "--model", "reuseport")
    eventually(lambda: len(workers(server)) == 4, "all four listen")
    first = next(iter(sorted(server.children)))  # it had the socket that was there before any child
    os.kill(first, signal.SIGKILL)
    eventually(lambda: first not in server.children and len(server.children) == 4, "another one has been made")
    eventually(lambda: len(workers(server)) == 4, "it listens, too")
    assert server.stop()[0] == 0

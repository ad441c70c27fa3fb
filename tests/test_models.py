"""Models that users write: whatever makes their workers, the server's edges hold."""

import os
import signal

import pytest

from clients import Client
from tests.conftest import confirm, dial, eventually, read_all, read_line
from threadserver import models
from threadserver.errors import UsageError

FORK = """
import os, signal

def serve(server):
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    for connection in server.connections():
        with server.refusing(connection):
            if os.fork() == 0:
                server.converse(connection)
                os._exit(0)
            server.close(connection)
"""

POOL = """
from queue import Queue
from threading import Thread

def serve(server):
    waiting = Queue()
    def work():
        while connection := waiting.get():
            server.converse(connection)
    workers = [Thread(target=work) for _ in range(2)]
    for worker in workers:
        worker.start()
    for connection in server.connections():
        waiting.put(connection)
    for _ in workers:
        waiting.put(None)
"""


@pytest.fixture
def model(tmp_path):
    def write(text):
        (tmp_path / "model.py").write_text(text)
        return f"{tmp_path}/model.py"

    return write


def test_a_process_for_each_connection(serve, model):
    server = serve("tcp://127.0.0.1:0", "--model", model(FORK), "--confirm-timeout", "0.3")
    with Client(server.address) as first, Client(server.address) as second:
        workers = [int(client.hello.worker.partition("/")[0]) for client in (first, second)]
        assert len({server.pid, *workers}) == 3
        assert (first.hello.connection, second.hello.connection) == (1, 2)
        assert second.ask(b"hello") == first.ask(b"hello") == b"hello"
        with dial(server.address) as late:  # limits hold in a forked child, too
            read_line(late)
            assert read_all(late) == b"ERROR not confirmed within 0.3 s\n"
        os.kill(workers[0], signal.SIGTERM)  # a child that stops does not end its parent's listening
        assert first.receive() is None
        with Client(server.address) as third:
            assert third.ask(b"hello") == b"hello"
        server.process.terminate()
        assert server.process.wait(30) == 0
        assert second.ask(b"still here") == b"still here"  # its child lives until its client leaves
    for pid in workers:
        eventually(lambda pid=pid: not os.path.exists(f"/proc/{pid}"), "the child has ended with its client")


def test_a_pool_whose_clients_wait_for_a_worker(serve, model):
    server = serve("tcp://127.0.0.1:0", "--model", model(POOL), "--confirm-timeout", "0.5")
    with Client(server.address) as first, Client(server.address) as second, dial(server.address) as third:
        assert first.ask(b"hello") == second.ask(b"hello") == b"hello"
        with dial(server.address) as impatient:  # who leaves while it waits is no burden
            impatient.sendall(b"never read")
        first.close()
        confirm(third)  # it was greeted when a worker was free: only then its limit began
        third.sendall(b"hello\n")
        assert read_line(third) == b"hello\n"
        assert server.stop() == (0, "")


def test_a_model_may_use_a_module_of_its_own_name(serve, tmp_path):
    (tmp_path / "thread.py").write_text("from threadserver.models.thread import serve\n")
    server = serve("tcp://127.0.0.1:0", "--model", f"{tmp_path}/thread.py")
    with Client(server.address) as client:
        assert client.ask(b"hello") == b"hello"


def test_an_unknown_model_is_told_which_there_are():
    with pytest.raises(UsageError, match=r"there are thread, iterative, or your own as path/to/file\.py"):
        models.find("fork()")

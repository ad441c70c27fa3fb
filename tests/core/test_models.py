"""Models that users write: however they make their workers, the server handles the edge cases."""

import errno
import os
import signal
import socket
import subprocess
from pathlib import Path

import pytest

from tests.conftest import PATIENCE, bystander, confirm, descriptors, dial, eventually, read_all, read_line
from tests.core.test_exhaustion import answered, fill, served
from threadserver import serving
from threadserver.clients import Client
from threadserver.core import labs, models
from threadserver.core.children import Children
from threadserver.core.errors import UsageError
from threadserver.core.models import thread

LOOPS = [name for name in ("select", "poll", "epoll", "asyncio") if name in models.names()]

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

SEVERAL_THREADS = """
from threading import Thread

def serve(server):
    def work():
        for connection in server.connections():
            server.converse(connection)
    workers = [Thread(target=work) for _ in range(4)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
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
        with dial(server.address) as impatient:  # a client that leaves while it waits does no harm
            impatient.sendall(b"never read")
        first.close()
        confirm(third)  # it was greeted when a worker was free: only then its limit began
        third.sendall(b"hello\n")
        assert read_line(third) == b"hello\n"
        assert server.stop() == (0, "")


def test_a_model_may_use_a_module_of_its_own_name(serve, tmp_path):
    (tmp_path / "thread.py").write_text("from threadserver.core.models.thread import serve\n")
    server = serve("tcp://127.0.0.1:0", "--model", f"{tmp_path}/thread.py")
    with Client(server.address) as client:
        assert client.ask(b"hello") == b"hello"


def test_an_unknown_model_is_an_error_that_lists_the_known_ones():
    with pytest.raises(UsageError, match=r"there are thread, iterative, .*fork.*, or your own as path/to/file\.py"):
        models.find("fork()")


@pytest.fixture
def lab(tmp_path, monkeypatch):
    """Write labs that replace the kit's own."""
    monkeypatch.setattr(labs, "LABS", tmp_path)

    def write(name, said, **files):
        (tmp_path / name).mkdir()
        (tmp_path / name / "lab.toml").write_text(said)
        for folder, text in files.items():
            (tmp_path / name / folder).mkdir(parents=True)
            (tmp_path / name / folder / "server.py").write_text(text)

    return write


PROMISED = 'title = "mine"\nkit = true\nkit_model = true\n'


@pytest.mark.parametrize("ending", ["threadserver.main(serve)", "main(serve)", "start()"])
def test_a_solution_is_a_model_because_lab_toml_says_so_however_it_starts(lab, ending):
    lab("mine", PROMISED, solution=f"def serve(server): ...\nif __name__ == '__main__':\n    {ending}\n")
    assert models.names() == ["thread", "iterative", "mine"]
    assert models.find("mine").__name__ == "serve"


def test_a_solution_from_raw_sockets_is_not_a_model(lab):
    lab("raw", 'title = "raw"\n', solution="import threadserver  # threadserver.main(serve) is only spoken of\n")
    lab("thread", PROMISED, solution="raise SystemExit\n")
    assert models.names() == ["thread", "iterative"]
    assert models.find("thread") is thread.serve  # the kit's own comes first
    with pytest.raises(UsageError, match="there are thread, iterative, or your own"):
        models.find("raw")


def test_alternatives_are_variants_where_lab_toml_names_them(lab):
    lab("lab", 'title = "x"\nvariants = ["mine"]\n', **{
        "alternatives/mine": "def serve(server): ...\n", "alternatives/raw": "import socket\n",
    })  # fmt: skip
    assert list(models.variants()) == ["lab/mine"]
    assert models.names() == ["thread", "iterative"]
    assert models.find("lab/mine").__name__ == "serve"


@pytest.mark.parametrize(
    ("said", "solution", "message"),
    [
        (PROMISED, "import socket\n", r"server\.py has no function serve: .*lab\.toml says .* model 'mine'"),
        (PROMISED, "import nothing_of_that_name\n", "server.py cannot be loaded: ModuleNotFoundError"),
        ("title = 1\n", "def serve(server): ...\n", r"lab\.toml: title = 1 is not str"),
        ("title = \n", "def serve(server): ...\n", r"lab\.toml: Invalid value"),
        ('title = "x"\nvariants = "y"\n', "", r"lab\.toml: variants = 'y' is not list"),
        ("kit_model = true\n", "def serve(server): ...\n", r"lab\.toml: 'title' is missing"),
    ],
)
def test_a_promised_model_that_is_missing_is_a_clear_line(lab, said, solution, message):
    lab("mine", said, solution=solution)
    lab("right", PROMISED, solution="def serve(server): ...\n")
    with pytest.raises(UsageError, match=message) as caught:
        models.find("mine")
    assert "\n" not in str(caught.value)
    assert models.find("right").__name__ == "serve"  # another lab's mistake is not in its way


def test_a_promised_file_that_is_missing_is_a_clear_line(lab, tmp_path):
    lab("mine", PROMISED)
    assert models.names() == ["thread", "iterative"]  # a student edition: there are no solutions at all
    (tmp_path / "mine" / "solution").mkdir()
    with pytest.raises(UsageError, match=r"there is no .*/mine/solution/server\.py: .*/mine/lab\.toml says that it is"):
        models.find("mine")


def test_a_built_in_model_is_found_without_reading_any_lab(monkeypatch):
    def read(folder):
        raise AssertionError(folder)

    monkeypatch.setattr(labs, "read", read)
    assert models.find("thread") is thread.serve


def test_listing_the_models_loads_none_and_finding_one_loads_only_that(lab):
    lab("mine", PROMISED, solution="def serve(server): ...\n")
    lab("other", PROMISED, solution="raise AssertionError('this file was loaded')\n")
    assert models.names() == ["thread", "iterative", "mine", "other"]
    models.find("mine")


def test_every_promise_of_the_kits_own_labs_is_kept():
    for name in [*models.names(), *models.variants()]:
        assert models.find(name).__name__ == "serve"
        assert models.file_of(name).is_file()


def test_without_labs_there_are_the_built_in_models(tmp_path, monkeypatch):
    monkeypatch.setattr(labs, "LABS", tmp_path / "none")
    assert models.names() == ["thread", "iterative"]
    with pytest.raises(UsageError, match="unknown model 'fork': there are thread, iterative, or your own"):
        models.find("fork")


def test_several_threads_may_accept_at_once(serve, model):
    server = serve("tcp://127.0.0.1:0", "--model", model(SEVERAL_THREADS))
    with Client(server.address) as first, Client(server.address) as second, Client(server.address) as third:
        clients = [first, second, third]
        assert [client.ask(b"hello") for client in clients] == [b"hello"] * 3
        assert len({client.hello.worker for client in clients}) == 3
        assert len({client.hello.connection for client in clients}) == 3
    assert server.stop() == (0, "")


def test_several_threads_out_of_descriptors_refuse_and_recover(serve, model):
    server = serve(
        "tcp://127.0.0.1:0",
        "--model",
        model(SEVERAL_THREADS.replace("range(4)", "range(40)")),
        preexec=descriptors(25),
    )
    clients = []
    for _ in range(3):
        fill(server, clients)
        for _ in range(min(5, len(clients))):
            clients.pop().close()
        eventually(lambda: served(server.address), "one is served when some have gone")
    for sock in clients:
        sock.close()
    eventually(lambda: served(server.address), "one is served when the others have gone")
    assert server.stop()[0] == 0


def test_fork_gives_each_connection_a_process_that_holds_nothing_else(serve):
    server = serve("tcp://127.0.0.1:0", "--model", "fork", "--confirm-timeout", "0.3")
    before = server.descriptors
    with Client(server.address) as first, Client(server.address) as second:
        assert second.ask(b"hello") == first.ask(b"hello") == b"hello"
        workers = [int(client.hello.worker.partition("/")[0]) for client in (first, second)]
        assert sorted(workers) == server.children
        assert server.descriptors == before
        for child in workers:
            eventually(lambda child=child: sockets(child) == 1, "the child holds its connection alone")
            assert os.listdir(f"/proc/{child}/task") == [str(child)]
    eventually(lambda: not server.children, "the children are gone, and no zombie is left, although no client connects")


def sockets(process):
    names = [os.readlink(f"/proc/{process}/fd/{number}") for number in os.listdir(f"/proc/{process}/fd")]
    return sum(name.startswith("socket:") for name in names)


def test_a_forked_child_that_is_killed_makes_room(serve):
    server = serve("tcp://127.0.0.1:0", "--model", "fork", "--max-connections", "1")
    with Client(server.address) as first:
        os.kill(int(first.hello.worker.partition("/")[0]), signal.SIGKILL)
        eventually(lambda: not server.children, "it was reaped")
        with Client(server.address) as second:
            assert second.ask(b"hello") == b"hello"


def test_a_forked_child_that_is_asked_to_end_ends_alone(serve):
    server = serve("tcp://127.0.0.1:0", "--model", "fork")
    with Client(server.address) as first, Client(server.address) as second:
        assert second.ask(b"hello") == first.ask(b"hello") == b"hello"
        os.kill(int(first.hello.worker.partition("/")[0]), signal.SIGTERM)
        assert first.receive() is None
        assert second.ask(b"hello") == b"hello"
        with Client(server.address) as third:
            assert third.ask(b"hello") == b"hello"


def test_fork_stops_children_that_are_busy(serve):
    server = serve("tcp://127.0.0.1:0", "--model", "fork", "--service", "sleep")
    with Client(server.address) as client:
        assert client.ask(b"1") == b"1"
        client.send(b"60000")
        eventually(lambda: "sleep" in wchan(server.children[0]), "the child sleeps")
        assert server.stop() == (0, "")
        assert client.receive() is None


def wchan(process):
    return Path(f"/proc/{process}/wchan").read_text()


@pytest.mark.filterwarnings("ignore:.*use of fork:DeprecationWarning")
def test_a_client_is_refused_when_fork_fails(monkeypatch):
    def no_process():
        raise BlockingIOError(errno.EAGAIN, "Resource temporarily unavailable")

    with serving(models.find("fork")) as server, bystander(server):
        with monkeypatch.context() as patch:
            patch.setattr(os, "fork", no_process)
            with dial(server.address) as sock:
                assert read_all(sock) == b"ERROR server is full\n"


def test_another_child_of_the_program_is_left_to_the_program():
    with subprocess.Popen(["true"]) as other:
        eventually(lambda: os.waitid(os.P_PID, other.pid, os.WEXITED | os.WNOHANG | os.WNOWAIT), "it is a zombie")
        gone = []
        children = Children(gone.append)
        if not (child := os.fork()):
            os._exit(0)
        try:
            children.add(child)
            eventually(lambda: gone, "the child was reaped, although another stands before it")
        finally:
            children.end(0)
        assert not len(children)
        assert os.waitpid(other.pid, os.WNOHANG)[0] == other.pid


@pytest.mark.parametrize("name", ["prefork", "pool/parent-passes"])
def test_a_forked_worker_that_is_killed_is_replaced_and_all_numbers_differ(serve, name):
    server = serve("tcp://127.0.0.1:0", "--model", name)
    workers = eventually(lambda: len(server.children) == 8 and server.children, "eight were forked")
    with Client(server.address) as first, Client(server.address) as second:
        killed = int(first.hello.worker.partition("/")[0])
        assert killed in workers
        os.kill(killed, signal.SIGKILL)
        eventually(lambda: len(server.children) == 8 and killed not in server.children, "there are eight again")
        clients = [second, *(Client(server.address) for _ in range(7))]
        assert all(client.ask(b"hello") == b"hello" for client in clients)
        assert len({client.hello.worker for client in clients}) == 8
        assert len({client.hello.connection for client in clients}) == 8
        for client in clients:
            client.close()


def test_workers_that_are_all_killed_while_all_are_taken_are_replaced(serve):
    server = serve("tcp://127.0.0.1:0", "--model", "pool/parent-passes")
    clients = [Client(server.address) for _ in range(8)]
    for client in clients:
        os.kill(int(client.hello.worker.partition("/")[0]), signal.SIGKILL)
        client.close()
    with Client(server.address) as another:
        assert another.ask(b"hello") == b"hello"


@pytest.mark.parametrize("name", ["fork", "prefork", "pool/parent-passes"])
def test_children_do_not_outlive_a_parent_that_is_killed(serve, name):
    server = serve("tcp://127.0.0.1:0", "--model", name)
    with Client(server.address) as client:
        assert client.ask(b"hello") == b"hello"
        children = eventually(lambda: server.children, "there are children")
        server.process.kill()
        assert client.receive() is None
    eventually(lambda: not any(os.path.exists(f"/proc/{child}") for child in children), "they are gone")


def test_a_pool_serves_eight_and_the_ninth_when_one_has_gone(serve):
    server = serve("tcp://127.0.0.1:0", "--model", "pool")
    clients = [Client(server.address) for _ in range(8)]
    tasks = server.tasks
    waiting = [dial(server.address) for _ in range(30)]
    assert all(client.ask(b"hello") == b"hello" for client in clients)
    assert len({client.hello.worker for client in clients}) == 8
    assert server.tasks == tasks
    for sock in waiting:
        sock.setblocking(False)
        with pytest.raises(BlockingIOError):
            sock.recv(1)
    clients.pop().close()
    waiting[0].settimeout(PATIENCE)
    confirm(waiting[0])
    for sock in clients + waiting:
        sock.close()
    assert server.stop() == (0, "")


def test_select_refuses_a_client_whose_descriptor_is_too_high(serve):
    many = 1100
    server = serve(
        "tcp://127.0.0.1:0",
        "--model",
        "select",
        preexec=descriptors(many + 100),
    )
    clients = []
    fill(server, clients, most=many)
    assert 900 < len(clients) < 1024
    with dial(server.address) as sock:
        assert read_all(sock) == b"ERROR server is full\n"
    assert answered(clients[0])
    assert answered(clients[-1])
    for sock in clients:
        sock.close()
    eventually(lambda: server.descriptors < 20, "all have gone")
    with Client(server.address) as client:
        assert client.ask(b"hello") == b"hello"


@pytest.mark.parametrize("name", LOOPS)
def test_a_client_that_sends_many_lines_at_once_does_not_starve_the_others(serve, name):
    server = serve("tcp://127.0.0.1:0", "--model", name, "--service", "sleep")
    with Client(server.address) as other, dial(server.address) as greedy:
        confirm(greedy)
        greedy.sendall(b"5\n" * 400)  # in one piece: two seconds of work
        assert read_line(greedy) == b"5\n"
        assert other.ask(b"1") == b"1"
        greedy.setblocking(False)
        assert len(greedy.recv(2000)) < 400, "all of it was done before the other's turn"


@pytest.mark.parametrize("name", LOOPS)
def test_a_client_that_never_reads_costs_a_bounded_amount_of_memory(serve, name):
    server = serve("tcp://127.0.0.1:0", "--model", name, "--service", "octets")
    with Client(server.address) as other:
        before = pss(server)
        deaf = [dial(server.address) for _ in range(20)]
        for sock in deaf:
            confirm(sock)
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            sock.setblocking(False)
            with pytest.raises(BlockingIOError):
                while True:
                    sock.send(b"16384\n" * 300)
            assert len(other.ask(b"10")) == 9
        assert pss(server) - before < 10_000, "KiB; each asks for five megabytes in every piece that is received"
        for sock in deaf:
            sock.close()


def pss(server):
    lines = Path(f"/proc/{server.pid}/smaps_rollup").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("Pss:"))

"""Bad input and limits: a clear line or a correct answer, in bounded time; the server is left unchanged."""

import os
import re
import signal
import socket
import subprocess
import sys
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.conftest import dial, eventually, require
from tests.inspection.catalogue import ELSEWHERE, own
from tests.inspection.conftest import LONG, have
from threadserver.core.address import Address
from threadserver.core.errors import KitError, UsageError
from threadserver.inspection import finding, report
from threadserver.inspection.classification import classify
from threadserver.inspection.speech import HTTP, Speech, speech, unescape
from threadserver.kernel.processes import details, everyone, family
from threadserver.submission.starting import started


def small(kind, *where):
    return own(kind, *where)(Path())


@contextmanager
def serving(kind, *where):
    with started(small(kind, *where)) as server:
        yield server


def ask(server, **options):
    options = {"time_limit": LONG, **options}
    return classify(server.address, options.pop("speech", None), pid=server.pid, keeper=server.keeper, **options)


def connections_of(server):
    return report.inspect(finding.by_pid(server.pid)).connections


def test_a_local_socket_without_a_file():
    with serving("threads", f"@threadserver-{os.getpid()}", "0") as server:
        assert ask(server).model == "thread-per-connection"


@pytest.mark.parametrize(("listens", "asked"), [("::", "127.0.0.1"), ("::", "[::1]"), ("0.0.0.0", "127.0.0.1")])
def test_a_server_that_listens_everywhere(listens, asked):
    with serving("threads", listens, "{port}") as server:
        address = Address.parse(f"tcp://{asked}:{server.address.port}")
        assert classify(address, time_limit=LONG).model == "thread-per-connection"


def test_a_server_in_another_network_is_found_by_one_of_its_processes(tmp_path):
    known = next(known for known in ELSEWHERE if known.name == "threads, unshare -n")
    have(known)
    with started(known.command(tmp_path)) as server:
        with pytest.raises(KitError, match="nothing listens"):
            classify(server.address)
        assert classify(server.address, pid=server.pid, time_limit=LONG).model == "thread-per-connection"


def test_nothing_listens():
    with socket.create_server(("127.0.0.1", 0)) as free:
        address = Address("tcp", *free.getsockname())
    with pytest.raises(KitError, match="nothing listens at"):
        classify(address)


def test_a_server_that_closes_at_once():
    with serving("closes_at_once") as server:
        verdict = ask(server)
    assert (verdict.model, "closed every connection" in verdict.sentence) == ("undetermined", True)


def test_a_server_that_dies_during_the_experiment():
    with serving("dies") as server, pytest.raises(KitError, match=r"ended while 2 connections were held"):
        ask(server)


def test_a_stopped_server_is_not_guessed():
    with serving("threads") as server:
        os.kill(server.pid, signal.SIGSTOP)
        try:
            verdict = ask(server)
        finally:
            os.kill(server.pid, signal.SIGCONT)
    assert (verdict.model, "not accepting connections" in verdict.sentence) == ("undetermined", True)


@pytest.mark.parametrize(("kind", "others", "expected"), [
    ("iterative", 1, ("iterative", None)), ("pool_prethreaded", 4, ("thread-pool", 4)), ("prefork", 4, ("prefork", 4)),
])  # fmt: skip
def test_a_server_that_others_keep_busy(kind, others, expected):
    with serving(kind) as server:
        clients = [dial(server.address) for _ in range(others)]
        for client in clients:
            client.sendall(b"hello\n")
            assert client.recv(100) == b"hello\n"
        verdict = ask(server)
        for client in clients:
            client.close()
    assert (verdict.model, verdict.workers) == expected


def test_nothing_is_sent_with_speak_none():
    with serving("deferred") as server:
        verdict = ask(server, speech=speech("none", ()))
    assert (verdict.model, "TCP_DEFER_ACCEPT" in verdict.sentence) == ("undetermined", True)


def test_workers_that_only_a_request_reveals_are_not_guessed():
    with serving("loop_and_workers") as server:
        assert ask(server, speech=speech("none", ())).model == "undetermined"
        assert ask(server, speech=speech("lines", (r"hello\n",))).model == "event-loop-with-workers"


def test_the_examined_server_is_left_unchanged():
    with serving("loop_with_polling_decoys") as server:
        assert ask(server).model == "event-loop"
        eventually(lambda: not connections_of(server), "every connection of ours is closed")
        members = family([server.keeper], everyone())[1:]
        assert [details(pid).traced_by for pid in members] == [0] * len(members)
        assert all(everyone()[pid].state in "SR" for pid in members)
        assert not [one for one in everyone().values() if one.name == "strace" and one.parent == os.getpid()]


def test_without_enough_time_the_model_is_not_guessed():
    with serving("pool_lazy_large") as server:
        verdict = ask(server, time_limit=1.0)
    assert verdict.model == "undetermined"


def test_a_server_that_is_full():
    with serving("limited") as server:
        clients = [dial(server.address) for _ in range(6)]
        for client in clients:
            client.sendall(b"hello\n")
            assert client.recv(100) == b"hello\n"
        verdict = ask(server)
        for client in clients:
            client.close()
    assert (verdict.model, "it may be full" in verdict.sentence) == ("undetermined", True)


@pytest.mark.long
@pytest.mark.parametrize(
    ("kind", "clients", "model"), [("threads", 2000, "thread-per-connection"), ("loop_epoll", 5000, "event-loop")]
)
def test_a_crowd(kind, clients, model):
    with serving(kind) as server, _crowd(server.address, clients):
        verdict = ask(server)
    assert verdict.model == model


@contextmanager
def _crowd(address, clients):
    """Hold this many connections in another process."""
    program = (
        "import resource, socket, sys\nmost = resource.getrlimit(resource.RLIMIT_NOFILE)[1]\n"
        "resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))\n"
        f"held = [socket.create_connection(({address.host!r}, {address.port})) for _ in range({clients})]\n"
        "print('held', flush=True); sys.stdin.read()"
    )
    with subprocess.Popen([sys.executable, "-c", program], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as crowd:
        assert crowd.stdout.readline() == b"held\n"
        yield
        crowd.stdin.close()


def test_a_server_of_another_user_is_not_guessed():
    """Its sockets are in the kernel's tables, but we lack permission to read its descriptors."""
    require("runuser")
    if os.geteuid() != 0:
        pytest.skip("only root can be another user")
    code = (
        "import sys; sys.path.insert(0, sys.argv[1])\nfrom threadserver.core.address import Address\n"
        "from threadserver.core.errors import KitError\nfrom threadserver.inspection.classification import classify\n"
        "try:\n    print(classify(Address.parse(sys.argv[2])).model)\nexcept KitError as error:\n    print(error)"
    )
    root = str(Path(__file__).parents[2])
    python = "/usr/bin/python3"
    if subprocess.run(
        ["runuser", "-u", "nobody", "--", python, "-c", f"open({root + '/setup.cfg'!r})"], capture_output=True
    ).returncode:
        pytest.skip("another user cannot read this checkout")
    with serving("threads") as server:
        said = subprocess.run(
            ["runuser", "-u", "nobody", "--", python, "-c", code, root, str(server.address)],
            capture_output=True,
            text=True,
        )
    assert "you lack permission to inspect its process; try as root" in said.stdout, said


def test_what_may_be_sent_to_a_server():
    hello = b"HELLO server=tcp://127.0.0.1:1 client=tcp://127.0.0.1:2 connection=7 worker=1/2\n"
    assert Speech("auto").request(b"") == (HTTP,)
    assert Speech("auto").request(b"220 smtp\r\n") == ()
    assert Speech("auto").confirmation(hello) == b"CONFIRM 7\n"
    assert Speech("none").confirmation(hello) == b""
    assert speech("auto", (r"PING\r\n",)).request(b"220") == (b"PING\r\n",)
    assert unescape(r"\x00\xffa\tb\\n\0é") == b"\x00\xffa\tb\\n\0" + "é".encode()
    for wrong in (("kit", ("x",)), ("lines", ())):
        with pytest.raises(UsageError):
            speech(*wrong)


def test_no_name_of_a_program_is_in_the_rules():
    """A server is classified by its behaviour: no name of a program may stand in the code that does it."""
    room = Path(finding.__file__).parent
    names = re.compile(
        r"\b(nginx|redis|apache|postgres|mysql|mariadb|memcached|gunicorn|sshd|node|haproxy|lighttpd)\b", re.IGNORECASE
    )
    for file in [*room.rglob("*.py"), *(room.parent / "submission").rglob("*.py")]:
        assert not names.search(file.read_text()), file


def test_the_kits_own_models_are_recognised_and_hello_is_a_witness():
    command = [sys.executable, "-m", "threadserver", "serve", "tcp://{host}:{port}", "--model"]
    for model, expected in (("thread", "thread-per-connection"), ("iterative", "iterative")):
        with started([*command, model]) as server:
            verdict = ask(server)
        assert verdict.model == expected
        assert "HELLO" in [one.name for one in verdict.witnesses]

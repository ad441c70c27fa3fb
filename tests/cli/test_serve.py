import os
import signal
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from tests.conftest import PATIENCE, confirm, dial, eventually, read_all, read_line, require
from threadserver.clients import Client


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
@pytest.mark.parametrize("model", ["thread", "iterative"])
def test_a_signal_stops_it_although_clients_are_idle(serve, model, number):
    server = serve("tcp://127.0.0.1:0", "--model", model)
    with dial(server.address) as idle, dial(server.address):
        confirm(idle)
        assert server.stop(number) == (0, "")
        assert read_all(idle) == b""


@pytest.mark.parametrize("model", ["thread", "iterative", "pool"])
def test_a_signal_that_does_not_interrupt_the_main_thread_stops_it(serve, model, tmp_path):
    (tmp_path / "fatal.py").write_text(
        "import signal, threading\n"
        "def serve(line):\n"
        "    signal.pthread_kill(threading.get_ident(), signal.SIGTERM)\n"
        "    return line\n"
    )
    server = serve("tcp://127.0.0.1:0", "--model", model, "--service", f"{tmp_path}/fatal.py:serve")
    with dial(server.address) as sock:
        confirm(sock)
        sock.sendall(b"end\n")
        assert server.process.wait(PATIENCE) == 0


def test_a_signal_stops_it_although_a_service_is_busy_for_a_minute(serve, tmp_path):
    (tmp_path / "model.py").write_text(
        "from threading import Thread\n"
        "def serve(server):\n"
        "    for connection in server.connections():\n"
        "        Thread(target=server.converse, args=(connection,)).start()\n"
    )
    for model in ("thread", f"{tmp_path}/model.py"):
        server = serve("tcp://127.0.0.1:0", "--service", "sleep", "--model", model)
        with Client(server.address) as client:
            client.send(b"60000")
            client.send(b"more")
            assert server.stop()[0] == 0  # within the patience of 30 seconds, half of what the service takes


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_as_soon_as_it_listens_stops_it(serve, number, tmp_path):
    for _ in range(5):
        assert serve(f"unix://{tmp_path}/echo.sock").stop(number) == (0, "")
        assert not (tmp_path / "echo.sock").exists()


@pytest.mark.parametrize(
    "body",
    [
        "    time.sleep(1000)\n",
        "    while True:\n        for connection in server.connections():\n            pass\n",
        "    while True:\n        try:\n            time.sleep(999)\n        except BaseException:\n            ...\n",
    ],
    ids=["sleeps", "begins again", "catches everything"],
)
def test_a_model_that_does_not_end_is_ended(serve, tmp_path, body):
    (tmp_path / "model.py").write_text("import time\ndef serve(server):\n" + body)
    assert serve("tcp://127.0.0.1:0", "--model", f"{tmp_path}/model.py").stop()[0] == 0


def test_a_service_that_blocks_the_only_thread_does_not_keep_it_from_ending(serve):
    server = serve("tcp://127.0.0.1:0", "--service", "sleep", "--model", "iterative")
    with Client(server.address) as client:
        client.send(b"60000")
        assert server.stop()[0] == 0  # within the patience of 30 seconds


def test_a_killed_server_is_gone_for_its_client_and_its_address_is_free(serve, tmp_path):
    server = serve(f"unix://{tmp_path}/echo.sock")
    with Client(server.address) as client:
        client.ask(b"hello")
        server.stop(signal.SIGKILL)
        assert client.receive() is None
    again = serve(f"unix://{tmp_path}/echo.sock")
    with Client(again.address) as client:
        assert client.ask(b"hello") == b"hello"


def test_a_users_own_model_and_service(serve, tmp_path):
    (tmp_path / "socket.py").write_text(
        "import threadserver\n"
        "def serve(server):\n"
        "    for connection in server.connections():\n"
        "        server.converse(connection)\n"
        "def reverse(line):\n"
        "    return line[::-1]\n"
    )
    server = serve(
        "tcp://127.0.0.1:0", "--model", f"{tmp_path}/socket.py", "--service", f"{tmp_path}/socket.py:reverse"
    )
    with Client(server.address) as client:
        assert client.ask(b"abc") == b"cba"


def test_every_option_does_what_it_says(serve):
    server = serve(
        "tcp://[::1]:0", "--service", "upper", "--backlog", "5", "--max-connections", "2", "--confirm-timeout", "0.2",
        "--idle-timeout", "100", "--verbose",
    )  # fmt: skip
    before = server.descriptors
    with dial(server.address) as late:
        read_line(late)
        assert read_all(late) == b"ERROR not confirmed within 0.2 s\n"
    eventually(lambda: server.descriptors == before, "the connection of who was late is closed")
    with Client(server.address) as first, Client(server.address), dial(server.address) as third:
        assert first.ask(b"hello") == b"HELLO"
        assert read_all(third) == b"ERROR server is full\n"
    assert "refused" in server.stop()[1]


def test_a_foreign_client_speaks_plain_lines(serve):
    require("nc")
    server = serve("tcp://127.0.0.1:0", "--no-confirm", "--service", "upper")
    host, port = server.address.removeprefix("tcp://").split(":")
    answer = subprocess.run(["nc", "-N", host, port], input=b"hello\n", capture_output=True, timeout=30)
    assert answer.stdout == b"HELLO\n"


@pytest.mark.parametrize(
    ("arguments", "code", "says"),
    [
        (["tcp://127.0.0.1"], 2, "bad address 'tcp://127.0.0.1'"),
        (["udp://127.0.0.1:0"], 2, "datagram"),
        (["tcp://no.such.host.invalid:0"], 1, "no such host"),
        (["tcp://192.0.2.1:0"], 1, "cannot bind tcp://192.0.2.1:0: cannot assign requested address"),
        (["unix:///nowhere/at/all.sock"], 1, "no such file or directory"),
        (["--model", "thraed"], 2, "unknown model 'thraed': there are thread, iterative, "),
        (["--model", "none.py"], 2, "no such file: none.py"),
        (["--model", "syntax.py"], 2, "syntax.py, line 2"),
        (["--model", "empty.py"], 2, "empty.py has no function serve: a model is a function serve(server)"),
        (["--service", "none"], 2, "unknown service"),
        (["--service", "empty.py:answer"], 2, "empty.py has no function answer"),
        (["--trace", "/nowhere/at/all"], 1, "cannot write the trace"),
        (["--model", "."], 2, "unknown model '.'"),
        (["--model", "./"], 2, "./ is a folder: name the file in it, such as server.py"),
        (["--service", "empty.py:"], 2, "unknown service"),
        (["--conversation", "empty.py"], 2, "is not PATH:CLASS"),
        (["--max-connections", "0"], 2, "0 is not in the range"),
        (["--confirm-timeout", "-1"], 2, "not in the range"),
        (["--idle-timeout", "nan"], 2, "is not a finite number"),
        (["--backlog", "many"], 2, "not a valid integer"),
    ],
)
def test_what_cannot_be_done_is_one_clear_line(threadserver, tmp_path, arguments, code, says):
    (tmp_path / "syntax.py").write_text("def other(): ...\ndef serve(server:\n")
    (tmp_path / "empty.py").write_text("")
    if not arguments[0].startswith(("tcp", "udp", "unix")):
        arguments = ["tcp://127.0.0.1:0", *arguments]
    result = threadserver("serve", *arguments, cwd=tmp_path)
    assert result.returncode == code
    assert says in result.stderr
    assert "Traceback" not in result.stderr
    assert result.stdout == ""


def test_an_address_in_use_is_one_clear_line(serve, threadserver):
    server = serve("tcp://127.0.0.1:0")
    result = threadserver("serve", server.address)
    assert (result.returncode, result.stdout) == (1, "")
    assert result.stderr.startswith(f"threadserver: cannot bind {server.address}: address already in use")
    assert result.stderr.count("\n") == 1


def test_a_privileged_port_is_one_clear_line():
    require("setpriv")
    if int(Path("/proc/sys/net/ipv4/ip_unprivileged_port_start").read_text()) <= 79:
        pytest.skip("this machine lets everybody have every port")
    without_right = ["setpriv", "--inh-caps=-net_bind_service", "--bounding-set=-net_bind_service"]
    command = [*(without_right if os.geteuid() == 0 else []), sys.executable, "-m", "threadserver", "serve"]
    result = subprocess.run([*command, "tcp://127.0.0.1:79"], capture_output=True, text=True, timeout=30)
    assert result.returncode == 1
    assert "permission denied (ports below 1024 need root); try tcp://127.0.0.1:8080" in result.stderr


def test_a_model_that_fails_says_where(serve, tmp_path):
    (tmp_path / "broken.py").write_text("def serve(server):\n    next(server.connections())\n    1 / 0\n")
    server = serve("tcp://127.0.0.1:0", "--model", f"{tmp_path}/broken.py")
    with dial(server.address):
        _, err = server.process.communicate(timeout=30)
    assert server.process.returncode == 1
    assert err.splitlines()[1].endswith('broken.py", line 3, in serve')  # nothing of the kit's own above it
    assert err.splitlines()[-1] == "threadserver: the model failed: ZeroDivisionError: division by zero"


def test_a_submission_runs_its_model_without_the_command(tmp_path):
    (tmp_path / "server.py").write_text(
        "import sys\n"
        "import threadserver\n"
        "from threadserver.core.models.thread import serve\n"
        "assert not {'click', 'rich'} & set(sys.modules)\n"
        "if __name__ == '__main__':\n"
        "    threadserver.main(serve)\n"
    )
    command = ["python3", "server.py"]
    environment = {**os.environ, "PATH": f"{os.path.dirname(os.sys.executable)}:{os.environ['PATH']}"}
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = str(free.getsockname()[1])
    options = {"cwd": tmp_path, "env": environment, "text": True, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    with subprocess.Popen([*command, "127.0.0.1", port, "upper"], **options) as process:
        assert process.stdout.readline() == f"listening on tcp://127.0.0.1:{port}\n"
        with Client(f"tcp://127.0.0.1:{port}") as client:
            assert client.ask(b"hello") == b"HELLO"
        process.terminate()
        assert process.wait(30) == 0
    for wrong in ([], ["127.0.0.1"], ["127.0.0.1", "x"], ["127.0.0.1", "65536"], ["127.0.0.1", port, "none"]):
        result = subprocess.run([*command, *wrong], **options)
        assert result.returncode == 2
        assert result.stderr.count("\n") == 1


def test_all_calls_are_recorded(serve, tmp_path):
    trace = tmp_path / "trace.jsonl"
    trace.write_text("what an earlier server left\n")
    server = serve("tcp://127.0.0.1:0", "--trace", str(trace))
    with Client(server.address) as client:
        client.ask(b"hello")
    eventually(lambda: '"step": "12"' in trace.read_text(), "the server has closed its end")
    server.stop()
    assert trace.read_text().startswith('{"step": "1", "side": "server", "call": "socket"')

import json
import os
import shlex
import signal
import subprocess
import sys

import pytest

from tests.conftest import eventually, require
from threadserver import serving
from threadserver.core import services
from threadserver.core.models import iterative, thread


@pytest.fixture
def server():
    with serving(thread.serve) as server:
        yield server


def test_a_pipeline_of_lines(server, threadserver):
    lines = "".join(f"{number}\n" for number in range(1, 1001))
    result = threadserver("connect", server.address, stdin=lines)
    assert (result.returncode, result.stdout, result.stderr) == (0, lines, "")


def test_much_more_than_fits_between_them(server, threadserver):
    lines = "".join(f"{number:>999}\n" for number in range(20_000))
    result = threadserver("connect", server.address, stdin=lines)
    assert (result.returncode, result.stdout == lines) == (0, True)


@pytest.mark.parametrize(("given", "got"), [("", ""), ("last", "last\n"), ("a\r\nb\n", "a\r\nb\n"), ("\n\n", "\n\n")])
def test_the_ends_of_lines(server, threadserver, given, got):
    result = subprocess.run(
        [sys.executable, "-m", "threadserver", "connect", str(server.address)],
        input=given.encode(),
        capture_output=True,
    )
    assert (result.returncode, result.stdout) == (0, got.encode())


def test_a_service_that_answers_nothing(threadserver):
    with serving(thread.serve, service=services.discard) as server:
        result = threadserver("connect", server.address, stdin="one\ntwo\n")
        assert result.returncode == 1
        assert "while it owed 2 of 2 answers" in result.stderr
        assert "--no-answers" in result.stderr
        assert threadserver("connect", server.address, "--no-answers", stdin="one\ntwo\n").returncode == 0


def test_a_server_that_leaves_before_the_end_of_input(server):
    command = [sys.executable, "-m", "threadserver", "connect", str(server.address)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        process.stdin.write(b"hello\n")
        process.stdin.flush()
        assert process.stdout.readline() == b"hello\n"
        server.stop()
        assert process.wait(30) == 1  # although its standard input is still open
        assert b"closed the connection before the end of input" in process.stderr.read()


def test_an_answer_that_is_an_error_is_an_answer(threadserver):
    with serving(thread.serve, service=services.octets) as server:
        result = threadserver("connect", server.address, stdin="x\n3\n")
    assert (result.returncode, result.stdout) == (0, "ERROR octets expects a count from 1 to 16384\nxx\n")


def test_the_reader_of_the_answers_may_close_the_pipe_early(server):
    command = f"seq 100000 | {sys.executable} -m threadserver connect {server.address} | head -n 2"
    result = subprocess.run(["bash", "-c", command], capture_output=True, text=True, timeout=60)
    assert (result.stdout, result.stderr) == ("1\n2\n", "")


def test_plain_lines(threadserver):
    with serving(thread.serve, confirm=False) as server:
        assert threadserver("connect", server.address, "--no-confirm", stdin="hello\n").stdout == "hello\n"


def test_a_crowd_reports_which_worker_served_which_client(server, threadserver):
    result = threadserver("connect", server.address, "--connections", 50, "--lines", 10)
    assert result.returncode == 0
    assert "50 clients got 500 answers from 50 distinct workers in 1 process" in result.stdout
    assert "… and 30 more workers" in result.stdout


def test_a_crowd_as_json(threadserver):
    with serving(iterative.serve) as server:
        result = threadserver("connect", server.address, "--connections", 5, "--lines", 2, "--json")
    crowd = json.loads(result.stdout)
    assert crowd["workers"] == 1
    assert [member["answers"] for member in crowd["members"]] == [2] * 5


def test_a_crowd_that_is_not_served_is_a_failure(threadserver):
    with serving(thread.serve, max_connections=1) as server:
        result = threadserver("connect", server.address, "--connections", 8, "--lines", 100)
    assert result.returncode == 1
    assert "failed: no confirmation" in result.stderr


@pytest.mark.parametrize(
    ("arguments", "code", "says"),
    [
        (["tcp://127.0.0.1:1"], 1, "cannot connect to tcp://127.0.0.1:1: connection refused; nothing listens there"),
        (["tcp://no.such.host.invalid:1"], 1, "no such host"),
        (["nonsense"], 2, "bad address 'nonsense'"),
        (["udp://127.0.0.1:1"], 2, "datagram"),
        (["tcp://127.0.0.1:1", "--json"], 2, "--json goes with --connections"),
        (["tcp://127.0.0.1:1", "--connections", "2", "--no-answers"], 2, "--no-answers"),
        (["tcp://127.0.0.1:1", "--connections", "0"], 2, "0 is not in the range"),
    ],
)
def test_what_cannot_be_done_is_one_clear_line(threadserver, arguments, code, says):
    result = threadserver("connect", *arguments)
    assert result.returncode == code
    assert says in result.stderr
    assert "Traceback" not in result.stderr


def test_a_person_at_a_terminal(server, tmp_path):
    """In a real terminal: line editing, history, the end."""
    require("tmux")
    tmux = ["tmux", "-S", str(tmp_path / "tmux"), "-f", "/dev/null"]
    client = shlex.join([sys.executable, "-m", "threadserver", "connect", str(server.address)])
    environment = {**os.environ, "XDG_STATE_HOME": str(tmp_path), "TERM": "xterm"}
    subprocess.run(
        [*tmux, "new-session", "-d", "-x", "100", "-y", "30", f"{client}; echo exit $?; exec cat"],
        env=environment,
        check=True,
    )

    def screen():
        return subprocess.run([*tmux, "capture-pane", "-p"], capture_output=True, text=True).stdout

    def press(*keys):
        subprocess.run([*tmux, "send-keys", *keys], check=True)

    try:
        eventually(lambda: "Ctrl-D ends" in screen(), "the prompt")
        assert "connection 1, served by worker" in screen()
        press("helo", "Left", "l", "Enter")  # in the middle of the line
        eventually(lambda: screen().count("hello") == 2, "the line and its answer")
        press("Up", "Enter")
        eventually(lambda: screen().count("hello") == 4, "the same again, from the history")
        press("C-d")
        eventually(lambda: "exit 0" in screen(), "the end")
        assert "hello" in (tmp_path / "threadserver" / "history").read_text()
    finally:
        subprocess.run([*tmux, "kill-server"])


def test_a_person_is_told_that_the_server_has_gone(serve, tmp_path):
    require("tmux")
    server = serve("tcp://127.0.0.1:0", "--idle-timeout", "0.2")
    tmux = ["tmux", "-S", str(tmp_path / "tmux"), "-f", "/dev/null"]
    client = shlex.join([sys.executable, "-m", "threadserver", "connect", server.address])
    subprocess.run(
        [*tmux, "new-session", "-d", "-x", "100", "-y", "30", f"{client}; echo exit $?; exec cat"], check=True
    )

    def screen():
        return subprocess.run([*tmux, "capture-pane", "-p"], capture_output=True, text=True).stdout

    try:
        eventually(lambda: "Ctrl-D ends" in screen(), "the prompt")
        eventually(lambda: len(server.tasks) == 2, "the server has closed the idle connection")
        subprocess.run([*tmux, "send-keys", "hello", "Enter"], check=True)
        eventually(lambda: "exit 1" in screen(), "the end")
        assert "ERROR idle for 0.2 s" in screen()
        assert "closed the connection" in screen()
    finally:
        subprocess.run([*tmux, "kill-server"])


def test_closed_and_full_streams_are_no_traceback(server):
    command = f"{sys.executable} -m threadserver"
    for line, code, said in (
        (f"{command} connect {server.address} <&-", 0, ""),
        (f"echo hello | {command} connect {server.address} >&-", 0, ""),
        (f"echo hello | {command} connect {server.address} >/dev/full", 1, "threadserver: no space left on device\n"),
        (f"{command} --help >/dev/full", 1, "threadserver: no space left on device\n"),
    ):
        result = subprocess.run(["bash", "-c", line], capture_output=True, text=True, timeout=60)
        assert (result.returncode, result.stderr) == (code, said), line


def test_ctrl_c_ends_a_crowd_that_waits():
    with serving(thread.serve, service=services.discard) as server:
        command = [sys.executable, "-m", "threadserver", "connect", str(server.address), "--connections", "5"]
        with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
            eventually(lambda: len(server.conversations) == 5, "all are connected")
            process.send_signal(signal.SIGINT)
            assert process.wait(20) == 130  # not only when their patience of 30 seconds runs out
            assert "Traceback" not in process.stderr.read()


def test_ctrl_c_ends_a_pipeline_without_a_traceback(server):
    command = [sys.executable, "-m", "threadserver", "connect", str(server.address)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        process.stdin.write(b"hello\n")
        process.stdin.flush()
        assert process.stdout.readline() == b"hello\n"
        process.send_signal(signal.SIGINT)
        assert process.wait(30) == 130
        assert b"Traceback" not in process.stderr.read()

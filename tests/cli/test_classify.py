import json
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tests.conftest import PATIENCE, eventually, unmeasured
from tests.inspection.catalogue import own
from threadserver.inspection import finding, report
from threadserver.submission.starting import started


def test_a_command_is_started_and_stopped(threadserver):
    result = threadserver("classify", "--timeout", "60", "--json", "--", *own("pool_queue")(Path()))
    assert (result.returncode, result.stderr) == (0, "")
    answer = json.loads(result.stdout)
    assert (answer["model"], answer["workers"], answer["mechanism"]) == ("thread-pool", 4, None)
    assert set(answer) == {"model", "workers", "mechanism", "sentence", "witnesses"}
    assert all(set(one) == {"name", "says", "evidence"} for one in answer["witnesses"])


def test_a_running_server_and_its_evidence(threadserver):
    with started(own("loop_select")(Path())) as server:
        result = threadserver("classify", server.address, "--timeout", "60", "--send", r"hello\n")
    assert result.returncode == 0
    assert result.stdout.startswith("event-loop (select)\nOne task waits for all ")
    assert "blocked calls" in result.stdout
    assert "agrees" in result.stdout


@pytest.mark.parametrize(("words", "code", "says"), [
    (["127.0.0.1:1"], 1, "nothing listens at tcp://127.0.0.1:1"),
    (["127.0.0.1:99999"], 2, "bad address"),
    (["127.0.0.1"], 2, "127.0.0.1 is neither an address nor a program: an address is HOST:PORT, "),
    (["/dev/log"], 2, "tcp://HOST:PORT or unix:PATH; a command needs {port}"),
    (["udp://127.0.0.1:9"], 2, "not a stream address"),
    (["--", "/nonexistent", "{port}"], 1, "cannot start /nonexistent"),
    (["127.0.0.1:1", "--speak", "none", "--send", "x"], 2, "leave one of them out"),
    (["127.0.0.1:1", "--speak", "lines"], 2, "--send"),
    (["--pid", "1", "--", "sleep", "1"], 2, "--pid is for an ADDRESS"),
    ([], 2, "Missing argument"),
])  # fmt: skip
def test_bad_input(threadserver, words, code, says):
    result = threadserver("classify", *words)
    assert (result.returncode, result.stdout) == (code, "")
    assert says in result.stderr
    assert "Traceback" not in result.stderr


def test_ctrl_c_closes_every_connection():
    with started(own("pool_prethreaded")(Path())) as server:
        command = [sys.executable, "-m", "threadserver", "classify", "--timeout", "60", str(server.address)]
        pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
        with subprocess.Popen(command, **pipes, text=True, env=unmeasured()) as ours:
            found = finding.by_pid(server.pid)
            eventually(lambda: len(report.inspect(found).connections) >= 2, "the experiment is under way")
            ours.send_signal(signal.SIGINT)
            output, errors = ours.communicate(timeout=PATIENCE)
        assert (ours.returncode, output) == (130, "")
        assert "Traceback" not in errors
        eventually(lambda: not report.inspect(found).connections, "every connection is closed")

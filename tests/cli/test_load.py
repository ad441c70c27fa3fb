import json
import signal
import subprocess
import sys

import pytest

from tests.conftest import eventually, unmeasured
from threadserver import serving
from threadserver.clients.load import SERVICE, Latency
from threadserver.core import services
from threadserver.core.models import thread

SHORT = ("--seconds", "0.2", "--warm-up", "0", "--connections", "3")


def test_it_prints_a_table(threadserver):
    with serving(thread.serve) as server:
        result = threadserver("load", server.address, *SHORT)
    assert (result.returncode, result.stderr) == (0, "")
    for part in ("echo, 64 bytes, 3 connections, closed loop", "requests/s", "p99.9", "3 of 3", "errors      none"):
        assert part in result.stdout


def test_it_prints_json(threadserver):
    with serving(thread.serve) as server:
        options = ("--rate", "100", "--processes", "2", "--payload", "100", "--seed", "5", "--timeout", "9")
        result = threadserver("load", server.address, *SHORT, *options, "--json")
    given = json.loads(result.stdout)
    assert given["schema"] == "threadserver-load/1"
    expected = {"rate": 100.0, "processes": 2, "payload": 100, "seed": 5, "timeout": 9.0, "connections": 3}
    assert expected.items() <= given["plan"].items()
    assert Latency.from_dict(given["latency"]).count == given["latency"]["count"] > 0


@pytest.mark.parametrize("workload", ["sleep", "spin", "octets", "churn", "idle"])
def test_every_workload(threadserver, workload):
    with serving(thread.serve, service=services.find(SERVICE[workload])) as server:
        result = threadserver("load", server.address, "--workload", workload, *SHORT)
    assert (result.returncode, result.stderr) == (0, "")
    assert f": {workload}" in result.stdout


def test_slow(threadserver):
    with serving(thread.serve) as server:
        result = threadserver("load", server.address, "--workload", "slow", "--slow-connections", "2", *SHORT)
    assert result.returncode == 0
    assert "2 of 2 connected" in result.stdout


def test_the_exit_code_is_1_if_anything_went_wrong(threadserver):
    with serving(thread.serve, max_connections=1) as server:
        result = threadserver("load", server.address, *SHORT)
    assert (result.returncode, result.stderr) == (1, "")
    assert "full 2" in result.stdout


def test_plain_lines(threadserver):
    with serving(thread.serve, confirm=False) as server:
        assert threadserver("load", server.address, "--no-confirm", *SHORT).returncode == 0


@pytest.mark.parametrize(
    ("arguments", "code", "says"),
    [
        (["tcp://127.0.0.1:1", *SHORT], 1, "no answer from tcp://127.0.0.1:1: refused (3 times)\n"),
        (["tcp://no.such.host.invalid:1"], 1, "no such host"),
        (["nonsense"], 2, "bad address 'nonsense'"),
        (["udp://127.0.0.1:1"], 2, "a datagram socket has no connections"),
        (["tcp://127.0.0.1:1", "--workload", "nix"], 2, "unknown workload 'nix': there are echo, churn"),
        (["tcp://127.0.0.1:1", "--rate", "nan"], 2, "rate must be more than 0"),
        (["tcp://127.0.0.1:1", "--cpus", "1-3"], 2, "'1-3' is not a list of cores, such as 1,3"),
        (["tcp://127.0.0.1:1", "--cpus", "4095"], 1, "cannot pin to core 4095"),
        (["tcp://127.0.0.1:1", "--connections", "0"], 2, "0 is not in the range"),
    ],
)  # fmt: skip
def test_an_impossible_load_is_one_clear_error_line(threadserver, arguments, code, says):
    result = threadserver("load", *arguments)
    assert result.returncode == code
    assert says in result.stderr
    assert result.stdout == ""
    assert "Traceback" not in result.stderr


@pytest.mark.parametrize("form", ["table", "json"])
def test_ctrl_c_shows_the_figures_so_far(form):
    asked = []

    def service(line):
        asked.append(line)
        return line

    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    command = [sys.executable, "-m", "threadserver", "load", "--seconds", "1000", "--warm-up", "0"]
    with serving(thread.serve, service=service) as server:
        command += [str(server.address), *(["--json"] if form == "json" else [])]
        with subprocess.Popen(command, **pipes, text=True, env=unmeasured()) as process:
            eventually(lambda: len(asked) > 100, "the load is running")
            process.send_signal(signal.SIGINT)
            out, err = process.communicate(timeout=60)
        eventually(lambda: not server.conversations, "all have left")
    assert (process.returncode, err) == (130, "")
    if form == "json":
        given = json.loads(out)
        assert given["interrupted"]
        assert 0 < given["requests"] <= len(asked)
        assert given["seconds"] < 1000
    else:
        assert "Interrupted" in out


def test_help_has_an_example(threadserver):
    result = threadserver("load", "--help")
    assert result.returncode == 0
    assert "threadserver load tcp://127.0.0.1:7000 --rate 1000 --json" in result.stdout

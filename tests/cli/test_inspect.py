import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tests.conftest import dial, eventually, require
from tests.inspection.catalogue import own
from threadserver.inspection import portable
from threadserver.submission.starting import started


@pytest.fixture(scope="module")
def server():
    with started(own("threads")(Path())) as server:
        yield server


@pytest.fixture
def clients(server, threadserver):
    clients = [dial(server.address) for _ in range(3)]
    for client in clients:
        client.sendall(b"hello\n")
        assert client.recv(100) == b"hello\n"
    yield clients
    for client in clients:
        client.close()


def seen(threadserver, *words):
    result = threadserver("inspect", *words, "--json")
    assert (result.returncode, result.stderr) == (0, "")
    return json.loads(result.stdout)


def test_each_thread_is_blocked_in_a_call_on_its_own_connection(server, clients, threadserver):
    def look():
        report = seen(threadserver, server.address)
        blocked = {
            thread["what"]
            for process in report["processes"]
            for thread in process["threads"]
            if "recvfrom" in thread["call"]
        }
        return report if len(blocked) == 3 else None

    report = eventually(look, "three threads are blocked in recvfrom on three connections")
    (process,) = report["processes"]
    assert process["pid"] == server.pid
    assert process["memory"] > 0
    assert process["descriptors"] >= 7
    assert any("accept4" in thread["call"] and "listening" in thread["what"] for thread in process["threads"])
    assert (report["listeners"][0]["in_use"], report["listeners"][0]["limit"]) == (0, 1024)
    ports = {f"tcp://127.0.0.1:{client.getsockname()[1]}" for client in clients}
    assert ports <= {connection["peer"] for connection in report["connections"]}
    assert report["missing"] == []


@pytest.mark.parametrize("option", [[], ["--tree"]])
def test_by_number_and_by_name(server, clients, threadserver, option):
    result = threadserver("inspect", server.pid, *option)
    assert result.returncode == 0
    assert "accept4" in result.stdout
    named = threadserver("inspect", "server.py", *option)
    assert f"{server.pid}" in named.stdout


def test_waiting_and_unread_connections(threadserver):
    with started(own("iterative")(Path())) as server:
        clients = [dial(server.address) for _ in range(3)]
        report = eventually(
            lambda: (found := seen(threadserver, server.address)) and len(found["connections"]) == 1 and found,
            "one is served",
        )
        assert report["listeners"][0]["in_use"] == 2
        peers = [f"tcp://127.0.0.1:{client.getsockname()[1]}" for client in clients]
        assert [one["peer"] for one in report["connections"]] == peers[:1]
        assert sorted(one["peer"] for one in report["waiting"]) == sorted(peers[1:])
        for client in clients:
            client.close()
    with started(own("pool_of_one")(Path())) as server:
        clients = [dial(server.address) for _ in range(3)]
        report = eventually(
            lambda: (found := seen(threadserver, server.address)) and len(found["unread"]) == 2 and found,
            "two are unread",
        )
        assert report["waiting"] == []
        for client in clients:
            client.close()


def test_zombies_and_children(threadserver):
    with started(own("forks_leaking")(Path())) as server:
        with dial(server.address):
            eventually(lambda: len(seen(threadserver, server.address)["processes"]) == 2, "a child serves")
        report = eventually(
            lambda: (found := seen(threadserver, server.address))["zombies"] and found, "a zombie stays"
        )
        assert "1 zombie, ended but not waited for" in threadserver("inspect", server.address).stdout
        assert report["processes"][1]["state"] == "zombie"


def test_a_local_socket(tmp_path, threadserver):
    command = [*own("loop_epoll")(Path())[:3], str(tmp_path / "s"), "0"]
    with started(command) as server:
        with dial(server.address):
            report = eventually(
                lambda: (found := seen(threadserver, server.address)) and found["connections"] and found,
                "it is connected",
            )
        what = report["processes"][0]["threads"][0]["what"]
        assert what.startswith("epoll set: listening unix://")


def test_without_a_target_it_lists_the_servers_that_listen(server, threadserver):
    listed = json.loads(threadserver("inspect", "--json").stdout)
    mine = [one for one in listed if one["address"] == str(server.address)]
    assert mine[0]["pids"] == [server.pid]
    assert str(server.address) in threadserver("inspect").stdout


def test_a_picture(server, clients, threadserver, tmp_path):
    page = tmp_path / "page.html"
    assert threadserver("inspect", server.address, "--output", page).returncode == 0
    text = page.read_text()
    assert text.count("<path") >= 4  # the listener and three connections
    assert "http://" not in text.replace("http://www.w3.org", "")
    assert "prefers-color-scheme: dark" in text
    require("chromium")
    picture = tmp_path / "page.png"
    subprocess.run(
        ["chromium", "--headless", "--no-sandbox", "--disable-gpu", f"--screenshot={picture}", page.as_uri()],
        capture_output=True, timeout=60,
    )  # fmt: skip
    assert picture.stat().st_size > 5_000


def test_watching_ends_with_the_server(threadserver):
    with started(own("threads")(Path())) as server:
        command = [sys.executable, "-m", "threadserver", "inspect", str(server.pid), "--watch", "--interval", "0.05"]
        watching = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
        assert watching.stdout.read(1)  # it has found the server
        os.kill(server.pid, signal.SIGKILL)
    output, _ = watching.communicate(timeout=30)
    assert (watching.returncode, "the server has ended" in output) == (0, True)


@pytest.mark.parametrize(("target", "says"), [
    ("99999999", "no such process: 99999999"), ("tcp://127.0.0.1:1", "nothing listens at"),
    ("no-such-program", "no process is called"), ("kthreadd", "no process is called"),
])  # fmt: skip
def test_nothing_there(threadserver, target, says):
    result = threadserver("inspect", target)
    assert (result.returncode, result.stdout) == (1, "")
    assert says in result.stderr


def test_without_proc_it_shows_processes_threads_and_connections(server, clients):
    found = portable.find(f"127.0.0.1:{server.address.port}")
    report = portable.inspect(found)
    assert [process.pid for process in report.processes] == [server.pid]
    assert len(report.processes[0].threads) >= 4
    assert len(report.connections) == 3
    assert "only Linux" in report.missing[0]

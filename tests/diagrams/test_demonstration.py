import json
import os
import re
from pathlib import Path

import pytest


@pytest.fixture
def demo(threadserver, tmp_path):
    def run(*arguments, **options):
        return threadserver("demo", *arguments, cwd=tmp_path, **options)

    return run


def test_it_shows_the_twelve_steps_and_the_worker_of_each_client(demo, tmp_path):
    result = demo()
    assert (result.returncode, result.stderr) == (0, "")
    shown = re.findall(r"^ +\d+\.\d+ (\d+[ab]?) ", result.stdout, re.MULTILINE)
    assert set(shown) == {"1", "2", "3", "4", "5", "6", "7", "8", "8a", "8b", "9", "10", "11", "12"}
    conclusion = "3 threads of one process served 3 clients. While the slow client stalled, the server accepted"
    assert conclusion in result.stdout
    assert "\x1b" not in result.stdout
    page = re.search(r"file://(\S+)", result.stdout)[1]
    assert "hello, I am slow" in Path(page).read_text()
    assert "sequenceDiagram" in (tmp_path / "demo" / "twelve-steps.mmd").read_text()
    assert json.loads((tmp_path / "demo" / "twelve-steps.json").read_text())["traceEvents"]


def test_the_server_accepts_and_serves_others_while_the_slow_client_stalls(demo):
    lines = demo().stdout.splitlines()
    stalled = next(at for at, line in enumerate(lines) if "I am slow" in line)
    assert sum("accept() = " in line for line in lines[:stalled]) == 3
    assert sum("goodbye" in line for line in lines[:stalled]) == 4


def test_an_iterative_server_lets_the_others_wait_for_the_slow_client(demo):
    result = demo("--model", "iterative")
    lines = result.stdout.splitlines()
    assert result.returncode == 0
    assert "While the slow client stalled, the others waited." in result.stdout
    first_hello = next(at for at, line in enumerate(lines) if "sendall(hello" in line)
    assert "I am slow" in lines[first_hello]


def test_it_writes_to_another_folder_when_the_first_cannot_be_written(demo, tmp_path):
    (tmp_path / "file").touch()
    result = demo("--output", "file/demo", env={"TMPDIR": str(tmp_path)})
    assert result.returncode == 0
    assert "cannot write to file/demo" in result.stdout
    assert os.path.exists(re.search(r"file://(\S+)", result.stdout)[1])


def test_a_model_that_does_not_exist_is_one_clear_line(demo, tmp_path):
    result = demo("--model", "none")
    assert (result.returncode, result.stdout) == (2, "")
    assert "unknown model" in result.stderr


def test_a_server_that_does_not_serve_is_reported(demo, tmp_path):
    (tmp_path / "mute.py").write_text(
        "def serve(server):\n    for connection in server.connections():\n        server.close(connection)\n"
    )
    result = demo("--model", "./mute.py")
    assert result.returncode == 1
    assert "not every client was served: " in result.stderr

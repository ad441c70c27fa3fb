"""The command `threadserver compare`: short, with real servers."""

import json
import os
import signal
import subprocess
import sys
from io import StringIO

import pytest
from rich.console import Console

from tests.comparison import faulty
from tests.conftest import PATIENCE, eventually, unmeasured
from threadserver.comparison import campaign, contestants

SHORT = ("-w", "echo", "--seconds", "0.1")


@pytest.fixture(scope="module")
def measured(tmp_path_factory):
    """A comparison of a model, a student's file that lies, and a well-known server."""
    folder = tmp_path_factory.mktemp("compare")
    mine = faulty.write(folder / "mine", "lies")
    command = ["thread", "peer:socketserver", mine, *SHORT, "-c", "1,2", "-n", "1", "--output", folder / "out"]
    process = subprocess.run(
        [sys.executable, "-m", "threadserver", "compare", *map(str, command)], capture_output=True, text=True,
        env={**os.environ, "COLUMNS": "100"}, timeout=300,
    )  # fmt: skip
    return process, folder / "out"


def test_it_measures_reports_and_keeps_the_result(measured):
    process, folder = measured
    assert process.returncode == 0
    assert all(" left: round 1 of 1: " in line for line in process.stderr.splitlines())  # if it takes half a minute
    assert "echo, 2 connections" in process.stdout
    assert "mine/server.py, echo, 1 connection: wrong answers" in process.stdout
    assert {"report.html", "results.json", "figures.csv", "faults.csv", "pictures"} <= set(os.listdir(folder))
    results = json.loads((folder / "results.json").read_text())
    assert [run["contestant"] for run in results["runs"]][:3] == ["thread", "peer:socketserver", "mine/server.py"]
    assert results["interpreter"]["gil"] is True
    assert not results["interrupted"]


def test_in_a_log_a_line_shows_the_progress_from_time_to_time(monkeypatch, tmp_path):
    monkeypatch.setattr(campaign, "EVERY", 0.0)
    log = StringIO()
    schedule = campaign.plan([contestants.find("thread")], ["echo"], [1], 2, 0.1, None)
    campaign.compare(schedule, "", tmp_path, Console(file=log))
    lines = log.getvalue().splitlines()
    assert lines[0] == "0%, 0:01 left: round 1 of 2: thread, echo, 1 connection"
    assert "50%, 0:01 left: round 2 of 2: thread, echo, 1 connection" in lines


def test_a_result_is_drawn_again_and_compared(measured, threadserver, tmp_path):
    results = measured[1] / "results.json"
    found = threadserver("compare", "--report", results, "--against", results, "--output", tmp_path)
    assert found.returncode == 0
    assert "too few rounds to judge differences" in found.stdout
    assert (tmp_path / "report.html").exists()
    assert json.loads(threadserver("compare", "--report", results, "--output", tmp_path, "--json").stdout)["runs"]


@pytest.mark.parametrize(("option", "value"), [("--seconds", "nan"), ("--rate", "nan"), ("--rate", "inf")])
def test_an_option_that_is_not_a_number_is_refused(threadserver, option, value):
    found = threadserver("compare", "thread", option, value)
    assert (found.returncode, found.stdout) == (2, "")
    assert f"{value!r} is not a finite number" in found.stderr


def test_an_earlier_report_is_replaced(measured, threadserver, tmp_path):
    results = measured[1] / "results.json"
    given = json.loads(results.read_text())
    assert threadserver("compare", "--report", results, "--output", tmp_path / "out").returncode == 0
    assert json.loads((tmp_path / "out" / "results.json").read_text()) == given
    pictures = set(os.listdir(tmp_path / "out" / "pictures"))
    given["runs"] = [run for run in given["runs"] if run["contestant"] == "thread" and run["connections"] == 1]
    (tmp_path / "few.json").write_text(json.dumps(given))
    assert threadserver("compare", "--report", tmp_path / "few.json", "--output", tmp_path / "out").returncode == 0
    assert not (tmp_path / "out" / "faults.csv").exists()
    assert "throughput-echo-a-line-comes-back.svg" in pictures - set(os.listdir(tmp_path / "out" / "pictures"))


def test_without_measurements_no_page_is_named(measured, threadserver, tmp_path):
    given = json.loads((measured[1] / "results.json").read_text())
    (tmp_path / "none.json").write_text(json.dumps({**given, "runs": []}))
    found = threadserver("compare", "--report", tmp_path / "none.json")
    assert (found.returncode, found.stdout, found.stderr) == (0, "nothing was measured\n", "")


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("nonsense",), "unknown model 'nonsense': there are"),
        (("nonsense.py",), "no such file or folder: nonsense.py"),
        (("peer:nonsense",), "unknown peer 'peer:nonsense': there are peer:asyncio"),
        (("thread", "-w", "nonsense"), "unknown workload 'nonsense': there are echo, churn, idle"),
        (("thread", "-w", "churn", "--rate", "10"), "churn takes no rate"),
        (("thread", "--python", "/nonsense"), "cannot run /nonsense"),
        (("thread", "--report", "results.json"), "--report draws an earlier result"),
        (("--report", "nonsense.json"), "cannot read nonsense.json"),
        (("labs",), "there is no server.py in"),
        (("thread", "-w", "echo", "-c", "4000000000"), "4000000000 connections need 4000000040 descriptors"),
    ],
)
def test_a_usage_error_is_one_line(threadserver, tmp_path, arguments, said):
    found = threadserver("compare", *arguments, *(() if "--report" in arguments else ("--output", tmp_path / "out")))
    lines = [line for line in found.stderr.splitlines() if line]
    assert found.returncode in (1, 2)
    assert len(lines) == 1
    assert said in lines[0]
    assert not (tmp_path / "out").exists()


def test_a_folder_that_cannot_be_made_is_one_line(threadserver, tmp_path):
    (tmp_path / "file").touch()
    found = threadserver("compare", "thread", *SHORT, "--output", tmp_path / "file" / "out")
    assert found.returncode == 1
    assert "cannot make" in found.stderr
    assert "Traceback" not in found.stderr


@pytest.mark.parametrize("text", ["0", "1,,2", "many"])
def test_connections_are_numbers(threadserver, text):
    found = threadserver("compare", "thread", "-c", text)
    assert found.returncode == 2
    assert "is not a list such as 1,10,100" in found.stderr


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupt_keeps_the_figures_so_far(tmp_path, number):
    command = ["thread", *SHORT, "-c", "1", "-n", "1000", "--output", str(tmp_path)]
    process = subprocess.Popen(
        [sys.executable, "-m", "threadserver", "compare", *command], stdout=subprocess.PIPE, stderr=subprocess.PIPE,
        text=True, env={**unmeasured(), "COLUMNS": "100"},
    )  # fmt: skip
    results = tmp_path / "results.json"
    eventually(lambda: results.exists() and json.loads(results.read_text())["runs"], "a run is in the file")
    process.send_signal(number)
    out, _ = process.communicate(timeout=PATIENCE)
    assert process.returncode == 130
    assert "Interrupted" in out
    kept = json.loads(results.read_text())
    assert kept["interrupted"]
    assert 1 <= len(kept["runs"]) < 1000
    assert (tmp_path / "report.html").exists()


def test_too_many_connections_are_refused_before_anything_starts(tmp_path):
    """An ordinary user may not raise the hard limit."""
    script = (
        "import os, resource, sys\n"
        "from threadserver.comparison.capacity import make_room\n"
        "resource.setrlimit(resource.RLIMIT_NOFILE, (300, 300))\n"
        "os.getuid() or os.setgid(65534) or os.setuid(65534)\n"
        "make_room(100)\n"
        "try:\n    make_room(1000)\n"
        "except Exception as error:\n    print(error)\n"
    )
    found = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=60)
    assert "1000 connections need 1040 descriptors" in found.stdout, found.stderr
    assert "use at most --connections 260" in found.stdout

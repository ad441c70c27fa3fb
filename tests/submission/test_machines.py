"""Machines on which courses grade, set up for real: a verdict is right there, or there is none and exit code 3."""

import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

import threadserver
from tests.conftest import require
from tests.submission import restricted

ROOT = Path(threadserver.__file__).parents[1]
LABS = ROOT / "labs"
DOCKER = [sys.executable, restricted.__file__]
WITHOUT_RIGHTS = [
    "setpriv", "--bounding-set=-sys_admin,-sys_ptrace", "--inh-caps=-sys_admin,-sys_ptrace", "--",
]  # fmt: skip


@pytest.fixture(scope="module", autouse=True)
def _as_root():
    """Only root can take rights away, mount and limit."""
    if os.geteuid() != 0:
        pytest.skip("only root can set up another machine")
    require("setpriv", "bwrap", "strace")


@pytest.fixture(scope="module")
def python():
    """Make a Python that every user can reach, with our packages."""
    packages = next(path for path in sys.path if path.endswith("site-packages"))
    with tempfile.TemporaryDirectory(dir="/var/tmp") as folder:
        os.chmod(folder, 0o755)
        subprocess.run(["/usr/bin/python3", "-m", "venv", "--without-pip", f"{folder}/venv"], check=True)
        found = next(Path(folder).glob("venv/lib/python*/site-packages"))
        (found / "kit.pth").write_text(f"{ROOT}\n{packages}\n")
        made = f"{folder}/venv/bin/python"
        if subprocess.run([made, "-c", "import click, pytest, psutil"], capture_output=True, cwd="/").returncode:
            pytest.skip("the system's Python cannot use the packages of this one")
        yield made


@pytest.fixture
def check(python):
    """Have a submission checked on a machine that a command line sets up; return the process and its verdict."""

    def run(machine, folder, lab="thread", *options, **environment):
        command = [*machine, python, "-m", "threadserver", "lab", "check", str(folder), "--lab", lab, "--json"]
        kept = {name: value for name, value in os.environ.items() if not name.startswith("COVERAGE")}
        done = subprocess.run(
            [*command, *options], capture_output=True, text=True, cwd="/", env={**kept, **environment}, timeout=300
        )
        return done, json.loads(done.stdout) if done.stdout.startswith("{") else None

    return run


def outcomes(verdict):
    return {one["name"]: one["outcome"] for one in verdict["checks"]}


@pytest.mark.parametrize("machine", [WITHOUT_RIGHTS, DOCKER], ids=["namespaces", "docker"])
def test_root_without_the_right_to_trace(check, machine):
    """As in most containers. The model has all its witnesses, for /proc is read as the submission's user."""
    done, verdict = check(machine, LABS / "thread/solution")
    assert (done.returncode, verdict["score"]) == (0, 100), done.stdout
    assert verdict["containment"] == ("user" if machine is DOCKER else "bubblewrap")


@pytest.mark.parametrize(("submitted", "lab", "outcome"), [
    ("fork/solution", "fork", "passed"), ("epoll/solution", "epoll", "passed"),
    ("thread/mistakes/one-sender", "thread", "failed"),
])  # fmt: skip
def test_the_model_is_seen_without_the_right_to_trace(check, submitted, lab, outcome):
    done, verdict = check(DOCKER, LABS / submitted, lab, "--only", "model")
    assert outcomes(verdict)["model"] == outcome, done.stdout

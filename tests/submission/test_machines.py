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
from threadserver.submission import network

ROOT = Path(threadserver.__file__).parents[1]
LABS = ROOT / "labs"
DOCKER, POWERLESS, NO_LANDLOCK, NO_LOOPBACK = (
    [sys.executable, restricted.__file__, kind] for kind in ("docker", "powerless", "no-landlock", "no-loopback")
)
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


def python_of_all():
    return "/usr/bin/python3"


def readable_by_others(path):
    return all(one.stat().st_mode & 0o001 for one in [path, *path.parents])


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


# Rights that are missing.


def test_the_tracer_is_protected_from_whom_it_traces(tmp_path):
    """It runs as the submission's user, and nobody of that user can trace it in turn, nor read it."""


def test_a_python_out_of_reach_is_no_grade(tmp_path):
    """It lies in a folder of root's, and nothing can be shown to the submission."""
    closed = tmp_path / "closed"
    closed.mkdir(mode=0o700)
    subprocess.run(["cp", "-r", sys.base_prefix, closed / "python"], check=True)


@pytest.mark.parametrize(("machine", "code"), [(DOCKER, 0), (NO_LANDLOCK, 3)], ids=["landlock", "no landlock"])
def test_the_labs_cannot_be_read(check, machine, code):
    """Where Landlock cannot hide them, and everybody may read them, nothing is judged."""
    if not (LABS / "thread/solution").stat().st_mode & 0o005 or not readable_by_others(LABS):
        pytest.skip("nobody else can read this checkout")
    done, verdict = check(machine, LABS / "thread/solution", "thread", "--only", "listens")
    assert done.returncode == code
    if code:
        assert "chmod -R go-rwx" in verdict["problem"]
        assert verdict["checks"] == []


# A network that cannot be had.


def test_a_user_namespace_without_rights(check):
    """As on Ubuntu since 23.10: it can be made, and then nothing in it may be written. The judge stays outside."""
    made = subprocess.run([*POWERLESS, "unshare", "--user", "true"])
    assert made.returncode == 0
    mapped = subprocess.run([*POWERLESS, "unshare", "--user", "--map-root-user", "true"], capture_output=True)
    assert b"denied" in mapped.stderr
    done, verdict = check(POWERLESS, LABS / "thread/solution", "thread", "--only", "echo")
    assert (done.returncode, verdict["containment"]) == (0, "self-check"), done.stdout


@pytest.mark.parametrize("machine", [POWERLESS, NO_LOOPBACK], ids=["powerless", "no loopback"])
def test_a_network_that_does_not_work_is_not_entered(machine):
    """Whatever is refused: the process that goes on has never left its network."""
    ask = [python_of_all(), "-c", "import os; print(os.stat('/proc/self/ns/net').st_ino)"]
    command = [python_of_all(), "-I", "-S", network.__file__, *ask]
    done = subprocess.run([*machine, *command], capture_output=True, text=True, check=True)
    assert int(done.stdout) == os.stat("/proc/self/ns/net").st_ino
    assert "no private network here" in done.stderr

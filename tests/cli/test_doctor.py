"""`doctor` says what it found; on machines that offer less it says so, and what that means."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.conftest import require
from tests.submission import restricted
from threadserver.kernel import calls
from threadserver.kernel.look import tasks_of
from threadserver.submission.containment import strongest

NAMES = {
    "system", "user", "rights", "bubblewrap", "private network", "a contained server", "system calls", "blocked calls",
    "tracing", "socket tables", "bwrap", "strace", "make", "cc", "prlimit", "descriptors", "tasks", "memory",
    "temporary files",
}  # fmt: skip


@pytest.fixture
def doctor(threadserver):
    def ask(**options):
        result = threadserver("doctor", "--json", **options)
        assert (result.returncode, result.stderr) == (0, "")
        answer = json.loads(result.stdout)
        return answer, {one["name"]: one for one in answer["findings"]}

    return ask


def test_a_machine_that_offers_everything(doctor):
    require("bwrap", "strace", "make", "cc")
    answer, findings = doctor()
    assert (answer["containment"], answer["grades"], answer["private_network"]) == ("bubblewrap", True, True)
    assert set(findings) == NAMES
    assert [name for name, one in findings.items() if not one["good"]] == []
    assert findings["blocked calls"]["what"] == "seen: accept4(3)"
    assert all(set(one) == {"name", "good", "what", "follows"} for one in findings.values())


def test_in_the_terminal(threadserver):
    require("bwrap")
    result = threadserver("doctor", env={"COLUMNS": "200"})
    assert result.returncode == 0
    assert "bubblewrap          yes  works" in result.stdout
    last = result.stdout.splitlines()[-1]
    assert last == "submissions are contained by bubblewrap, in a private network: verdicts are grades"


def test_a_folder_with_modules_of_its_own(tmp_path):
    """A student runs `doctor` in their own folder."""
    command = Path(sys.executable).with_name("threadserver")
    if not command.exists():
        pytest.skip("the kit is not installed here")
    for name in ("socket", "json", "subprocess"):
        (tmp_path / f"{name}.py").write_text("raise SystemExit('mine')")
    result = subprocess.run([command, "doctor", "--json"], capture_output=True, text=True, cwd=tmp_path)
    assert result.returncode == 0
    assert json.loads(result.stdout)["containment"] == strongest().name


def test_without_bubblewrap(doctor, tmp_path):
    """For root a separate user id is the next best; for any other user there is only a self-check."""
    for name in ("prlimit", "unshare", "true"):
        (tmp_path / name).symlink_to(shutil.which(name))
    answer, findings = doctor(env={"PATH": str(tmp_path)})
    assert findings["bubblewrap"]["what"] == "bubblewrap is not installed (apt install bubblewrap)"
    assert findings["make"]["what"] == "not installed: apt install make"
    assert findings["strace"]["what"] == "not installed: apt install strace"
    assert findings["tracing"]["what"].startswith("works: ")  # the judge traces by itself
    assert answer["containment"] == ("user" if os.geteuid() == 0 else "self-check")
    assert answer["grades"] == (os.geteuid() == 0)


def test_without_any_tool(doctor, tmp_path):
    answer, findings = doctor(env={"PATH": str(tmp_path)})
    assert (answer["containment"], answer["grades"]) == ("self-check", False)
    assert not findings["a contained server"]["good"]


def test_where_namespaces_are_forbidden():
    """By the kernel itself, as many containers and some distributions do."""
    require("unshare", "bwrap")
    forbid = 'echo 0 > /proc/sys/user/max_user_namespaces && exec "$@"'
    command = ["unshare", "--user", "--map-root-user", "sh", "-c", forbid, "sh"]
    asked = [*command, sys.executable, "-m", "threadserver", "doctor", "--json"]
    result = subprocess.run(asked, capture_output=True, text=True)
    answer = json.loads(result.stdout)
    findings = {one["name"]: one for one in answer["findings"]}
    assert result.returncode == 0
    assert (answer["containment"], answer["grades"]) == ("self-check", False)
    assert not findings["bubblewrap"]["good"]
    assert "namespace" in findings["bubblewrap"]["what"]
    assert findings["user"]["what"] == "root of a user namespace"
    assert not findings["another user id"]["good"]


def test_in_docker(doctor):
    """As root with Docker's default capabilities: the missing ones are named."""
    require("strace")
    if os.geteuid() != 0:
        pytest.skip("only root can give up rights")
    said = subprocess.run(
        [sys.executable, restricted.__file__, "docker", "/usr/bin/env", sys.executable, "-m", "threadserver", "doctor",
         "--json"], capture_output=True, text=True, check=True,
    )  # fmt: skip
    findings = {one["name"]: one for one in json.loads(said.stdout)["findings"]}
    assert "--cap-add SYS_PTRACE" in findings["rights"]["follows"]
    assert "seccomp=unconfined" in findings["bubblewrap"]["follows"]


def test_an_emulated_machine(monkeypatch):
    """Its /proc shows the system call numbers of the machine outside, so no call that a task waits in is believed."""
    monkeypatch.setattr(calls, "NAMES", {63: "read", 98: "futex"})  # aarch64's
    calls.numbers_are_true.cache_clear()
    try:
        assert not calls.numbers_are_true()
        assert all(task.call is calls.HIDDEN for task in tasks_of(os.getpid()))
    finally:
        monkeypatch.undo()
        calls.numbers_are_true.cache_clear()
    assert calls.numbers_are_true()

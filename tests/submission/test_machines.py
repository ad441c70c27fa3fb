"""Machines on which courses grade, really set up: there a verdict is correct, or there is none and exit code 3."""

import json
import os
import re
import secrets
import subprocess
import sys
import tempfile
from contextlib import suppress
from pathlib import Path

import pytest

import threadserver
from tests.conftest import eventually, require
from tests.submission import restricted
from tests.submission.conftest import LISTEN
from threadserver.kernel import eyes
from threadserver.submission import network, temporary, view
from threadserver.submission.cgroup import Bound, own_group

ROOT = Path(threadserver.__file__).parents[1]
LABS = ROOT / "labs"
PACKAGES = next(path for path in sys.path if path.endswith("site-packages"))
C_SERVER = LABS / "thread/alternatives/c-with-streams"
DOCKER, POWERLESS, NO_LANDLOCK, NO_LOOPBACK = (
    [sys.executable, restricted.__file__, kind] for kind in ("docker", "powerless", "no-landlock", "no-loopback")
)
WITHOUT_RIGHTS = [
    "setpriv", "--bounding-set=-sys_admin,-sys_ptrace", "--inh-caps=-sys_admin,-sys_ptrace", "--",
]  # fmt: skip


@pytest.fixture(scope="module", autouse=True)
def _as_root():
    """Only root can drop permissions, mount and limit."""
    if os.geteuid() != 0:
        pytest.skip("only root can set up another machine")
    require("setpriv", "bwrap", "strace")


@pytest.fixture(scope="module")
def python():
    """Make a Python that every user can reach, with our packages."""
    with tempfile.TemporaryDirectory(dir="/var/tmp") as folder:
        os.chmod(folder, 0o755)
        subprocess.run(["/usr/bin/python3", "-m", "venv", "--without-pip", f"{folder}/venv"], check=True)
        found = next(Path(folder).glob("venv/lib/python*/site-packages"))
        (found / "kit.pth").write_text(f"{ROOT}\n{PACKAGES}\n")
        made = f"{folder}/venv/bin/python"
        if subprocess.run([made, "-c", "import click, pytest, psutil"], capture_output=True, cwd="/").returncode:
            pytest.skip("the system's Python cannot use the packages of this one")
        yield made


@pytest.fixture
def check(python):
    """Have a submission checked on a machine that a command line sets up; return the process and its verdict."""

    def run(machine, folder, lab="thread", *options, text=False, interpreter=None, cwd="/", **environment):
        command = [*machine, interpreter or python, "-m", "threadserver", "lab", "check", str(folder), "--lab", lab]
        command += [] if text else ["--json"]
        kept = {name: value for name, value in os.environ.items() if not name.startswith("COVERAGE")}
        done = subprocess.run(
            [*command, *options], capture_output=True, text=True, cwd=cwd, env={**kept, **environment}, timeout=300
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
def test_root_without_permission_to_trace(check, machine):
    """As in most containers. The model has all its witnesses, because /proc is read as the submission's user."""
    done, verdict = check(machine, LABS / "thread/solution")
    assert (done.returncode, verdict["score"]) == (0, 100), done.stdout
    assert verdict["containment"] == ("user" if machine is DOCKER else "bubblewrap")


@pytest.mark.parametrize(("submitted", "lab", "outcome"), [
    ("fork/solution", "fork", "passed"), ("epoll/solution", "epoll", "passed"),
    ("thread/mistakes/one-sender", "thread", "failed"),
])  # fmt: skip
def test_the_model_is_seen_without_permission_to_trace(check, submitted, lab, outcome):
    done, verdict = check(DOCKER, LABS / submitted, lab, "--only", "model")
    assert outcomes(verdict)["model"] == outcome, done.stdout


# Missing permissions.


@pytest.mark.skipif(os.path.exists("/proc/sys/kernel/yama"), reason="Yama forbids any tracing here, too")
def test_the_tracer_is_protected_from_what_it_traces(monkeypatch):
    """It runs as the submission's user, but that user's processes can neither trace it nor read its memory."""
    monkeypatch.setattr(eyes, "must_borrow", lambda: True)
    as_user = {"user": 61_999, "group": 61_999, "extra_groups": []}
    with subprocess.Popen(["/bin/sleep", "60"], **as_user) as traced:
        eventually(lambda: b"sleep" in Path(f"/proc/{traced.pid}/cmdline").read_bytes(), "it runs")
        options = eyes.tracer([traced.pid])
        assert options["user"] == 61_999
        command = ["strace", "-f", "-p", str(traced.pid)]
        with subprocess.Popen(command, stderr=subprocess.PIPE, text=True, **options) as strace:
            assert "attached" in strace.stderr.readline()
            attack = (
                "import ctypes, os\nlibc = ctypes.CDLL(None)\n"
                "print(libc.ptrace(0x4206, {}, 0, 0), os.access('/proc/{}/mem', os.R_OK))"
            )
            for pid, result in ((strace.pid, "-1 False\n"), (traced.pid, "-1 True\n")):  # the latter is traced already
                command = ["/usr/bin/python3", "-c", attack.format(pid, pid)]
                said = subprocess.run(command, capture_output=True, text=True, cwd="/", **as_user)
                assert said.stdout == result
            strace.terminate()
        traced.kill()


def test_a_python_out_of_reach_is_no_grade(check):
    """It is in a folder that only root can enter, and nothing can be shown to the submission there."""
    if all(path.stat().st_mode & 0o001 for path in view.python().parents):
        pytest.skip("every user can reach this Python")
    done, verdict = check(DOCKER, LABS / "thread/solution", interpreter=sys.executable)
    assert (done.returncode, verdict["checks"]) == (3, [])
    assert "is closed to others: use a Python that every user can run" in verdict["problem"]


@pytest.mark.parametrize(("machine", "code"), [(DOCKER, 0), (NO_LANDLOCK, 3)], ids=["landlock", "no landlock"])
def test_the_labs_cannot_be_read(check, machine, code):
    """If Landlock cannot hide them and every user may read them, nothing is judged."""
    if not (LABS / "thread/solution").stat().st_mode & 0o005 or not readable_by_others(LABS):
        pytest.skip("nobody else can read this checkout")
    done, verdict = check(machine, LABS / "thread/solution", "thread", "--only", "listens")
    assert done.returncode == code
    if code:
        assert "chmod -R go-rwx" in verdict["problem"]
        assert verdict["checks"] == []


# A network that cannot be made.


def test_a_user_namespace_without_permissions(check):
    """As on Ubuntu since 23.10: it can be made, but then nothing in it may be written. The judge stays outside."""
    made = subprocess.run([*POWERLESS, "unshare", "--user", "true"])
    assert made.returncode == 0
    mapped = subprocess.run([*POWERLESS, "unshare", "--user", "--map-root-user", "true"], capture_output=True)
    assert b"denied" in mapped.stderr
    done, verdict = check(POWERLESS, LABS / "thread/solution", "thread", "--only", "echo")
    assert (done.returncode, verdict["containment"]) == (0, "self-check"), done.stdout


@pytest.mark.parametrize("machine", [POWERLESS, NO_LOOPBACK], ids=["powerless", "no loopback"])
def test_a_network_that_does_not_work_is_not_entered(machine):
    """Whatever step is refused, the process that goes on has never left its network."""
    ask = [python_of_all(), "-c", "import os; print(os.stat('/proc/self/ns/net').st_ino)"]
    command = [python_of_all(), "-I", "-S", network.__file__, *ask]
    done = subprocess.run([*machine, *command], capture_output=True, text=True, check=True)
    assert int(done.stdout) == os.stat("/proc/self/ns/net").st_ino
    assert "no private network here" in done.stderr


# Limits of the container.


@pytest.fixture
def group():
    """Make control groups with a limit, of version 1 or 2; return how to start a command in one."""
    made = []

    def limited(controller, *names, most):
        outermost = own_group().tasks_folders if controller == "pids" else own_group().memory_folders
        for above in reversed(outermost):
            folder = above / f"threadserver-{secrets.token_hex(4)}"
            try:
                folder.mkdir()
                (name,) = [name for name in names if (folder / name).exists()]
                (folder / name).write_text(str(most))
            except (OSError, ValueError):
                with suppress(OSError):
                    folder.rmdir()
                continue
            made.append(folder)
            return ["sh", "-c", f'echo $$ > {folder}/cgroup.procs && exec "$@"', "sh"]
        pytest.skip(f"no control group of {controller} can be made here")
        return []

    yield limited
    for folder in made:
        eventually(lambda folder=folder: not (folder / "cgroup.procs").read_text(), "all of it has ended")
        folder.rmdir()


def test_too_few_tasks_are_no_grade(check, group):
    """Jobe's default is 30: a correct server would say that it is full."""
    done, verdict = check(group("pids", "pids.max", most=30), LABS / "thread/solution")
    assert (done.returncode, verdict["checks"]) == (3, [])
    assert "pids.max" in verdict["problem"]


def test_enough_tasks_are_enough(check, group):
    done, verdict = check(
        group("pids", "pids.max", most=200), LABS / "thread/solution", "thread", "--only", "many_at_once"
    )
    assert (done.returncode, outcomes(verdict)["many_at_once"]) == (0, "passed"), done.stdout


@pytest.mark.parametrize("piece", [1_000_000, 900_000_000], ids=["slowly", "at once"])
def test_a_kill_for_lack_of_memory_is_reported_as_such(check, group, tmp_path, piece):
    """Bounded by Gradescope's 768 MB: the server asks for 900 MB, and is ended by us or by the kernel."""
    limited = group("memory", "memory.limit_in_bytes", "memory.max", most=768 << 20)
    (tmp_path / "server.py").write_text(
        LISTEN + f"kept = listener.accept()\nhoard = [b'x' * {piece} for _ in range(900_000_000 // {piece})]\n"
    )
    done, verdict = check(limited, tmp_path, "thread", "--only", "greeting")
    assert done.returncode == 1, done.stdout + done.stderr
    (found,) = [one for one in verdict["checks"] if one["name"] == "greeting"]
    assert re.search(r"used more (than \d+ MiB of )?memory", found["message"] + found["evidence"]), found


def test_version_2_of_control_groups(tmp_path):
    """Read from copies, because a machine has only one version; the tightest limit on the way up counts."""
    inner = tmp_path / "tree/a/b"
    inner.mkdir(parents=True)
    (tmp_path / "cgroup").write_text("0::/a/b\n")
    (tmp_path / "mountinfo").write_text(f"30 24 0:26 / {tmp_path}/tree rw - cgroup2 cgroup2 rw,nsdelegate\n")
    for folder, tasks, memory in ((inner, "max", "1073741824"), (inner.parent, "40", "max")):
        (folder / "pids.max").write_text(tasks + "\n")
        (folder / "pids.current").write_text("12\n")
        (folder / "memory.max").write_text(memory + "\n")
        (folder / "memory.current").write_text("200000000\n")
    (inner / "memory.stat").write_text("anon 5\ninactive_file 150000000\n")
    (inner / "memory.events").write_text("oom 1\noom_kill 3\n")
    found = own_group(tmp_path)
    assert found.tasks == Bound(40, 12)
    assert found.memory == Bound(1 << 30, 50_000_000)
    assert found.kills_file == str(inner / "memory.events")


# Folders.


def mounted(script):
    """Start a command in a mount namespace of its own, in which a script has mounted something."""
    return ["unshare", "--mount", "sh", "-ec", f'{script}; exec "$@"', "sh"]


@pytest.fixture
def everywhere(tmp_path, python):
    """Mount an empty file system over each folder for temporary files, and show what the test needs there.

    In the end each is mounted again with some options.
    """

    def machine(options, before="true"):
        kept = [str(ROOT), str(Path(python).parents[2]), str(tmp_path), os.path.realpath(PACKAGES)]
        folders = [str(folder) for folder in map(Path, temporary.FOLDERS) if folder.is_dir()]
        script = [f"exec {number}<{path}" for number, path in enumerate(kept, 5)]
        script += [f"mount -t tmpfs -o size=1m none {folder}" for folder in folders]
        for number, path in enumerate(kept, 5):
            script += [f"mkdir -p {path}", f"mount -c --bind /proc/self/fd/{number} {path}"]
        script += [f"d={folder}; {before}; mount -o remount,{options} {folder}" for folder in folders]
        return mounted("; ".join(script))

    return machine


def test_a_program_in_c_where_temporary_files_may_not_run(check, tmp_path):
    """Another folder is used."""
    require("make", "cc")
    machine = mounted(f"mount -t tmpfs -o noexec none {tmp_path}")
    done, verdict = check(machine, C_SERVER, "thread", "--only", "echo", TMPDIR=str(tmp_path))
    assert (done.returncode, outcomes(verdict)["echo"]) == (0, "passed"), done.stdout


def test_programs_may_run_nowhere(check, everywhere):
    """A server in Python needs no such folder, but one in C does."""
    require("make", "cc")
    machine = everywhere("noexec,size=600m")
    done, verdict = check(machine, LABS / "thread/solution", "thread", "--only", "echo")
    assert (done.returncode, outcomes(verdict)["echo"]) == (0, "passed"), done.stdout
    done, verdict = check(machine, C_SERVER, "thread", "--only", "echo")
    assert (done.returncode, verdict["checks"]) == (3, [])
    assert "noexec" in verdict["problem"]
    assert "set TMPDIR" in verdict["problem"]


@pytest.mark.parametrize(("options", "before", "says"), [
    ("ro", "true", "read-only file system"),
    ("rw", "dd if=/dev/zero of=$d/full bs=64k 2>/dev/null || true", "no space left on device"),
])  # fmt: skip
def test_nothing_can_be_written(check, everywhere, tmp_path, options, before, says):
    """One line says what to do, also where the command is started in the submission itself."""
    (tmp_path / "server.py").write_text((LABS / "thread/solution/server.py").read_text())
    done, verdict = check(everywhere(options, before), tmp_path, cwd=tmp_path)
    assert (done.returncode, verdict) == (3, None)
    assert says in done.stderr
    assert "set TMPDIR" in done.stderr
    assert len(done.stderr.splitlines()) == 1
    assert os.listdir(tmp_path) == ["server.py"]


def test_too_little_disk_for_a_build(check, everywhere):
    """The compiler would say so, and it would look like the student's mistake."""
    require("make", "cc")
    done, verdict = check(everywhere("size=2m"), C_SERVER, "thread", "--only", "echo")
    assert (done.returncode, verdict["checks"]) == (3, [])
    assert "MiB are free" in verdict["problem"]


# Homes and languages.


@pytest.mark.parametrize("language", [
    {"HOME": "/proc"}, {"PYTHONIOENCODING": "ascii"}, {"LANG": "C", "LC_ALL": "C", "PYTHONUTF8": "0",
                                                        "PYTHONCOERCECLOCALE": "0"},
], ids=["no home", "ascii", "C"])  # fmt: skip
@pytest.mark.parametrize("how", ["text", "json"])
def test_any_home_and_language(check, tmp_path, language, how):
    """Names of files that are not UTF-8, and output that cannot show everything."""
    name = os.fsencode(tmp_path) + b"/h\xe4nd\xff\xc3\xa9\x1b[2J"
    os.mkdir(name)
    with open(name + b"/server.py", "wb") as file:
        file.write((LABS / "thread/solution/server.py").read_bytes())
    os.mkfifo(name + b"/\xff\x1b]0;title\x07")
    done, _ = check([], os.fsdecode(name), "thread", "--only", "listens", text=how == "text", **language)
    assert (done.returncode, done.stderr) == (0, "")
    assert "\x1b" not in done.stdout
    if how == "json":
        assert outcomes(json.loads(done.stdout)) == {"listens": "passed"}
    else:
        assert "(1 passed)" in done.stdout

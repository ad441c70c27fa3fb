"""What a submission can reach, asked from inside: a spy looks around and reports."""

import json
import os
import re
import secrets
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

import threadserver
from tests.conftest import eventually, require
from tests.submission.conftest import LISTEN, SERVE
from threadserver.clients import Client
from threadserver.core.errors import UsageError
from threadserver.submission import containment as kinds
from threadserver.submission import view
from threadserver.submission.containment import BUBBLEWRAP, FORCED, SELF_CHECK, USER, strongest, why_not
from threadserver.submission.limits import Limits
from threadserver.submission.network import privately
from threadserver.submission.place import Place

ROOT = Path(threadserver.__file__).parents[1]
HEAD = "import json, os, socket, sys\ndef tell(what): print(json.dumps(what), flush=True)\n"
TRY = """
def attempt(action, *words):
    try:
        action(*words)
        return "done"
    except (Exception, SystemExit) as error:
        return type(error).__name__
"""


@pytest.fixture
def spy(run, folder):
    """Run some code as a submission; return what it reports."""

    def send(code, **options):
        with run(folder({"server.py": HEAD + TRY + code + "\n" + LISTEN + "time.sleep(60)"}), **options) as server:
            eventually(lambda: server.output().endswith("\n"), "it has told")
            return json.loads(server.output().splitlines()[-1])

    return send


@pytest.fixture
def secret():
    """A file in a public folder that only its owner may read."""
    path = Path("/var/tmp") / f"secret-{secrets.token_hex(4)}"
    path.write_text("the other students' grades")
    path.chmod(0o600)
    yield str(path)
    path.unlink()


def test_the_labs_can_be_neither_imported_nor_read(contained, spy):
    """Neither by name nor by any path; and the kit itself only where the lab allows it."""
    code = """
found = [os.path.join(path, name) for path, _, files in os.walk(TOP) for name in files if name == "PROTOCOL.md"]
imports = {}
for name in ("labs", "clients", "tests", "threadserver", "click", "pytest", "rich"):
    try:
        __import__(name)
        imports[name] = True
    except ImportError:
        imports[name] = False
tell([found, imports])
""".replace("TOP", repr("/" if contained is BUBBLEWRAP else str(ROOT)))
    found, imports = spy(code)
    assert found == []
    assert [name for name, there in imports.items() if there] == []
    found, imports = spy(code, kit=True)
    assert found == []
    assert [name for name, there in imports.items() if there] == ["threadserver"]


def test_a_masked_folder_is_empty(contained, spy, tmp_path, monkeypatch):
    """If the kit is installed inside a visible folder, its labs are still hidden."""
    beside = Path("/usr/lib") if os.geteuid() == 0 else None
    if beside is None:
        pytest.skip("only root can install there")
    installed = beside / f"labs-{secrets.token_hex(4)}"
    installed.mkdir()
    try:
        (installed / "PROTOCOL.md").write_text("x")
        monkeypatch.setattr(view, "hidden", lambda: (installed,))
        assert spy(f"tell(os.listdir({str(installed)!r}))") == []
    finally:
        (installed / "PROTOCOL.md").unlink()
        installed.rmdir()


def test_a_model_of_the_kit_serves(run, folder):
    """A submission that uses the kit, in every containment."""
    model = "import threadserver\nfrom threadserver.core.models.thread import serve\nthreadserver.main(serve)\n"
    with run(folder({"server.py": model}), kit=True, service="upper") as server, Client(server.address) as client:
        assert client.ask(b"hello") == b"HELLO"
        pid, tid = map(int, client.hello.worker.split("/"))
        assert server.outer(pid, tid) in server.look().tasks


def test_it_writes_nowhere_but_in_its_own_memory(contained, spy):
    places = ["/", "/usr", "/etc", "/dev", "/proc", "/proc/sys/net/ipv4", "/submission", ".", str(ROOT), "/tmp"]
    writable = spy(f"""
def write(place):
    with open(place + "/left-" + sys.argv[3], "w") as file:
        file.write("x")
tell([place for place in {places!r} if attempt(write, place) == "done"])
""")
    assert writable == ["/tmp"]


def test_what_only_we_may_read(contained, spy, secret):
    assert spy(f"tell(attempt(open, {secret!r}))") in {"PermissionError", "FileNotFoundError"}


def test_nothing_of_ours_can_be_reached(contained, spy):
    """Neither signalled, nor traced, nor read, nor written: no process of ours, from the test down to the keeper."""
    ours = [os.getpid(), os.getppid()]
    keeper = "" if contained is BUBBLEWRAP else "+ [os.getppid()]"
    told = spy(f"""
import ctypes, signal
libc = ctypes.CDLL(None, use_errno=True)
reached = []
for pid in {ours!r}{keeper}:
    for path in ("mem", "fd/0", "fd/1", "fd/2", "fd/5", "environ", "root"):
        for mode in (os.O_RDONLY, os.O_WRONLY):
            if attempt(os.open, f"/proc/{{pid}}/{{path}}", mode) == "done":
                reached.append([pid, path])
    if attempt(os.kill, pid, 0) == "done":
        reached.append([pid, "kill"])
    if libc.ptrace(16, pid, 0, 0) == 0:  # PTRACE_ATTACH
        reached.append([pid, "ptrace"])
tell(reached)
""")
    assert told == []


def test_what_it_inherits(spy, monkeypatch):
    """Three descriptors, default signals, no variable of ours, no way to gain privileges."""
    monkeypatch.setenv("JUDGE_SECRET", "x")
    descriptors, ignored, environment, session = spy("""
import fcntl
status = dict(line.split(":\\t") for line in open("/proc/self/status").read().splitlines() if ":\\t" in line)
descriptors = {}
for name in os.listdir("/proc/self/fd"):
    try:
        descriptors[name] = fcntl.fcntl(int(name), fcntl.F_GETFL) & os.O_ACCMODE
    except OSError:
        pass
tell([descriptors, status["SigIgn"], dict(os.environ), os.getsid(0) == os.getpgid(0)])
""")
    assert descriptors == {"0": os.O_RDONLY, "1": os.O_WRONLY, "2": os.O_WRONLY}
    assert int(ignored, 16) & 0x7FFF_FFFF & ~(1 << 12 | 1 << 24) == 0  # Python itself ignores SIGPIPE and SIGXFSZ
    assert "JUDGE_SECRET" not in environment
    assert environment["HOME"] == "/tmp"
    assert session


def test_default_signals(run, folder):
    """A program in C, say, must die of SIGPIPE just as it would elsewhere."""
    script = "#!/bin/sh\ngrep SigIgn /proc/self/status\nexec python3 listen.py $1 $2\n"
    with run(folder({"server": script, "listen.py": SERVE})) as server:
        said = eventually(lambda: server.output().split()[1:], "it has told")
        assert int(said[0], 16) & 0x7FFF_FFFF == 0


def test_it_has_no_privileges(contained, spy):
    user, capabilities, further = spy("""
status = dict(line.split(":\\t") for line in open("/proc/self/status").read().splitlines() if ":\\t" in line)
import ctypes
libc = ctypes.CDLL(None, use_errno=True)
mounted = libc.unshare(0x10000000 | 0x20000) == 0 and libc.mount(b"x", b"/tmp", b"tmpfs", 0, None) == 0
tell([os.getuid(), [status[name] for name in ("CapEff", "CapPrm", "CapBnd") if contained or name != "CapBnd"], mounted])
""".replace("contained or", f"{contained is BUBBLEWRAP} or"))  # fmt: skip
    assert user != 0
    assert [int(mask, 16) for mask in capabilities if int(mask, 16)] == []
    assert contained is not BUBBLEWRAP or not further


def test_its_ids_inside_and_outside(containment, run, folder):
    """HELLO names the ids inside; the kernel's tables name those that we see."""
    code = (
        LISTEN
        + """
import threading
threading.Thread(target=time.sleep, args=(60,)).start()
print(os.getpid(), [thread.native_id for thread in threading.enumerate()][1], flush=True)
time.sleep(60)
"""
    )
    with run(folder({"server.py": code})) as server:
        eventually(lambda: server.output().endswith("\n"), "it says its numbers")
        pid, tid = map(int, server.output().split())
        ours = server.outer(pid, tid)
        assert ours[0] == server.pid
        assert ours in server.look().tasks
        assert server.inner(*ours) == (pid, tid)
        assert server.outer(pid) == (server.pid, server.pid)
        assert server.outer(pid, 999_999) is server.outer(999_999) is None
        assert (ours == (pid, tid)) == (containment is not BUBBLEWRAP)
        (look,) = [server.look()]
        assert len(look.listeners) == 1
        assert {task.call.name for task in look.tasks.values()} <= {"clock_nanosleep", "running"}
        assert set(look.processes) == set(server.members()) == {server.pid}


def test_zombies_are_members(run, folder):
    code = LISTEN + "child = os.fork()\nif child == 0: os._exit(0)\ntime.sleep(60)"
    with run(folder({"server.py": code})) as server:
        eventually(lambda: server.look().zombies, "its child has ended, and it has not waited for it")
        assert len(server.members()) == 2


def test_files_in_memory_are_bounded(containment, run, folder):
    if containment is SELF_CHECK:
        pytest.skip("it writes where we do")
    code = (
        LISTEN
        + """
for folder in ("/tmp", "/dev/shm"):
    try:
        for number in range(4):
            with open(f"{folder}/left-{number}", "wb") as file:
                file.write(bytes(2_000_000))
    except OSError as error:
        print(error.strerror, flush=True)
time.sleep(60)
"""
    )
    with run(folder({"server.py": code}), limits=Limits(temporary=5_000_000)) as server:
        eventually(lambda: server.output().count("No space left on device") == 2, "both are full")


def test_two_judges_can_use_the_same_port():
    """Each in a private network."""
    code = """
import socket, sys
from threadserver.submission.containment import strongest
from threadserver.submission.folder import find
from threadserver.submission.network import private_network
from threadserver.submission.preparing import prepared
from threadserver.submission.starting import running
with prepared(find(sys.argv[1]), strongest()) as ready, running(ready, port=8080) as server:
    print(private_network(), server.address, flush=True)
    sys.stdin.read()
    with socket.create_connection(("127.0.0.1", 8080)) as client:
        client.sendall(b"hello")
        print(client.recv(100))
"""
    with tempfile.TemporaryDirectory() as path:
        Path(path, "server.py").write_text(SERVE)
        judges = [
            subprocess.Popen(
                privately([sys.executable, "-c", code, path]),
                stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=ROOT,
            )
            for _ in range(2)
        ]  # fmt: skip
        assert [judge.stdout.readline() for judge in judges] == ["True tcp://127.0.0.1:8080\n"] * 2
        assert [judge.communicate()[0] for judge in judges] == ["b'hello'\n"] * 2


def test_small_buffers_make_send_block():
    """An answer of 60 000 bytes does not fit, one of 16 384 does."""
    code = """
import socket
listener = socket.create_server(("127.0.0.1", 0))
client = socket.create_connection(listener.getsockname())
server, _ = listener.accept()
server.settimeout(30)
server.sendall(bytes(16384))
server.setblocking(False)
print(server.send(bytes(60000)) < 60000)
"""
    said = subprocess.run(privately([sys.executable, "-c", code]), capture_output=True, text=True, check=True)
    assert said.stdout == "True\n"


def test_a_containment_can_be_forced(monkeypatch):
    monkeypatch.setenv(FORCED, "self-check")
    assert strongest() is SELF_CHECK
    assert not strongest().grades
    monkeypatch.setenv(FORCED, "a wish")
    with pytest.raises(UsageError, match="is unknown: there are bubblewrap, user, self-check"):
        strongest()


def test_the_strongest_that_works_is_taken(monkeypatch):
    """The error says why another one does not work."""
    monkeypatch.delenv(FORCED, raising=False)
    monkeypatch.setattr(kinds, "why_not", lambda one: "broken" if one is BUBBLEWRAP else "")
    assert strongest() is USER
    monkeypatch.setenv(FORCED, "bubblewrap")
    with pytest.raises(UsageError, match="does not work here: broken"):
        strongest()


def test_a_bubblewrap_that_fails_is_found_out(monkeypatch):
    """By trying it, as if user namespaces were forbidden."""
    with tempfile.TemporaryDirectory() as path:
        os.chmod(path, 0o755)
        fake = Path(path, "bwrap")
        fake.write_text("#!/bin/sh\necho 'bwrap: No permissions to create new namespace' >&2; exit 1\n")
        fake.chmod(0o755)
        monkeypatch.setenv("PATH", f"{path}:{os.environ['PATH']}")
        why_not.cache_clear()
        try:
            assert "No permissions to create new namespace" in why_not(BUBBLEWRAP)
        finally:
            why_not.cache_clear()


def others(words, chosen):
    """Run some of these tests, and of those with bad input, with other permissions."""
    require("setpriv")
    if os.geteuid() != 0:
        pytest.skip("only root can change its permissions")
    packages = next(path for path in sys.path if path.endswith("site-packages"))
    python = ["setpriv", *words, "/usr/bin/python3", "-B"]
    environment = {
        "PATH": os.environ["PATH"],
        "PYTHONPATH": f"{ROOT}:{packages}", "LANG": "C.UTF-8",
    }  # fmt: skip
    able = [*python, "-c", "import pytest, tests.conftest"]
    if subprocess.run(able, env=environment, capture_output=True, cwd="/").returncode:
        pytest.skip("another user cannot read this checkout, or has no Python for it")
    files = [str(Path(__file__).with_name(name)) for name in ("test_bad_input.py", "test_containment.py")]
    command = [*python, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-k", chosen, *files]
    said = subprocess.run(command, env=environment, capture_output=True, text=True, cwd="/")
    assert said.returncode == 0, said.stdout[-8000:]
    return int(re.search(r"(\d+) passed", said.stdout)[1])


def test_for_an_ordinary_user():
    """The tests of bubblewrap and of the self-check, run again as a user other than root."""
    chosen = "(bubblewrap or self-check) and not for_ and not elsewhere and not never and not without_bound"
    assert others(["--reuid=65534", "--regid=65534", "--clear-groups"], chosen) > 50


def test_for_root_without_namespaces():
    """Without permission to mount, a separate user id must do: nothing is reached, and nothing is left."""
    chosen = (
        "user and not for_ and "
        "(correct_submission or daemon or kills or leaves or without_bound or only_we or of_ours or model)"
    )
    assert others(["--bounding-set=-sys_admin", "--inh-caps=-sys_admin"], chosen) >= 10


def test_files_may_vanish_while_a_place_is_swept(monkeypatch, tmp_path):
    (tmp_path / "somebody's").touch()
    listed = list(os.scandir(tmp_path))
    (tmp_path / "somebody's").unlink()
    monkeypatch.setattr(os, "scandir", lambda _: listed)
    Place(tmp_path, os.getuid(), kit=False, mounted=False).sweep()

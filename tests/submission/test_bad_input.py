"""Whatever is submitted, it ends in bounded time with a clear outcome, and nothing of it is left.

Each is the real thing, but bounded, and harmless even if nothing contains it. `run` then looks for what is left.
"""

import os
import re
import signal
import time

import pytest

from tests.conftest import PATIENCE, dial, eventually, read_all
from tests.submission.conftest import LISTEN, SERVE, bearing
from threadserver.submission.containment import BUBBLEWRAP, SELF_CHECK, USER
from threadserver.submission.folder import find
from threadserver.submission.limits import MIB, Limits
from threadserver.submission.listening import listening
from threadserver.submission.preparing import prepared
from threadserver.submission.starting import StartError, running

QUICK = Limits(start=1.0)


def asked(server):
    """One conversation with a server that answers."""
    with dial(server.address) as client:
        client.sendall(b"hello")
        return read_all(client)


def failure(run, path, limits=None):
    """What the student is told when it does not start."""
    begun = time.monotonic()
    with pytest.raises(StartError) as caught, run(path, limits=limits):
        pass
    assert time.monotonic() - begun < PATIENCE
    return caught.value


def test_a_correct_submission(run, folder):
    """The baseline from which all the others differ."""
    with run(folder({"server.py": SERVE})) as server:
        assert asked(server) == b"hello"
        assert server.pid in server.members()
        assert server.ended() is None
        assert server.over_limit == ""


def test_a_syntax_error(run, folder):
    error = failure(run, folder({"server.py": "import socket\nlistener = socket.socket(\n"}))
    assert (error.kind, error.status) == ("ended", 1)
    assert "server.py" in error.output
    assert "SyntaxError: '(' was never closed" in error.output
    assert "it ended with exit code 1 before it was seen to listen" in str(error)
    assert error.contract


@pytest.mark.parametrize(("code", "status", "says"), [
    ("", 0, "with exit code 0"), ("import sys; sys.exit(3)", 3, "with exit code 3"),
    ("import os; os.abort()", -signal.SIGABRT, "by signal 6 (aborted)"),
])  # fmt: skip
def test_it_ends_at_once(run, folder, code, status, says):
    error = failure(run, folder({"server.py": code}))
    assert (error.kind, error.status) == ("ended", status)
    assert says in str(error)


def test_it_never_listens(run, folder):
    error = failure(run, folder({"server.py": "import time; print('thinking'); time.sleep(60)"}), QUICK)
    assert (error.kind, error.output, error.status) == ("never listened", "thinking\n", None)


def test_it_listens_elsewhere(run, folder):
    code = """\
        import socket, sys
        listeners = [socket.create_server(where) for where in ((sys.argv[1], 0), ("127.0.0.2", int(sys.argv[2])))]
        listeners[0].accept()
    """
    error = failure(run, folder({"server.py": code}))
    assert error.kind == "listens elsewhere"
    assert re.search(r"it listens at tcp://127\.0\.0\.1:\d+ and tcp://127\.0\.0\.2:(\d+), not at .*:\1$", str(error))


def test_it_prints_without_end(run, folder):
    """Before it listens. Both the output and what is kept of it are bounded, and both ends are kept."""
    code = "print('first')\nwhile True:\n    print('all work and no play' * 1000)"
    error = failure(run, folder({"server.py": code}), Limits(output=MIB))
    assert error.kind == "ended"
    assert "it printed more than 1 MiB" in str(error)
    assert error.output.startswith("first\n")
    assert len(error.output) < 40_000


def test_it_prints_while_it_serves(run, folder):
    code = LISTEN + "listener.accept()\nwhile True:\n    print('all work and no play' * 1000)"
    with run(folder({"server.py": code}), limits=Limits(output=MIB)) as server, dial(server.address):
        assert eventually(lambda: server.over_limit, "it is ended") == "printed more than 1 MiB"
        eventually(lambda: not server.members(), "all of it has gone")


@pytest.mark.parametrize("how", ["alone", "together"])
def test_it_eats_memory(run, folder, how):
    """Bounded here to 400 MB: by one process, and by four, none of which has too much."""
    eat = "hoard = [bytearray(10_000_000) for _ in range({})]\ntime.sleep(60)\n"
    meal = eat.format(40) if how == "alone" else "os.fork(), os.fork()\n" + eat.format(10)
    code = LISTEN + "listener.accept()\n" + meal
    with run(folder({"server.py": code}), limits=Limits(memory=200 * MIB)) as server, dial(server.address):
        assert eventually(lambda: server.over_limit, "it is ended") == "used more than 200 MiB of memory"
        eventually(lambda: not server.members(), "all of it has gone")


def test_pages_that_children_share_count_once(run, folder):
    """Twenty children of a server with 30 MB do not use 600 MB."""
    code = LISTEN + (
        "hoard = bytearray(b'x') * 30_000_000\nchildren = [1 for _ in range(20) if os.fork() == 0 and time.sleep(60)]\n"
        "print('forked', flush=True)\ntime.sleep(60)"
    )
    with run(folder({"server.py": code}), limits=Limits(memory=300 * MIB)) as server:
        eventually(lambda: "forked" in server.output(), "all were forked")
        looks = [server.over_limit for _ in range(3) if not time.sleep(0.2)]
        assert looks == ["", "", ""]
        assert len(server.members()) == 21


def test_it_eats_address_space(run, folder):
    code = "import mmap; hoard = [mmap.mmap(-1, 1 << 30, flags=mmap.MAP_PRIVATE) for _ in range(9)]"
    error = failure(run, folder({"server.py": code}))
    assert "Cannot allocate memory" in error.output


def test_it_forks_without_bound(run, containment, folder):
    """Bounded here to 700 children."""
    code = LISTEN + (
        "try:\n    for _ in range(700):\n        os.fork() or (time.sleep(60), os._exit(0))\n"
        "except OSError as error:\n    print(error.strerror, flush=True)\nprint('enough', flush=True)\ntime.sleep(60)\n"
    )
    with run(folder({"server.py": code}), limits=Limits(memory=0)) as server:
        eventually(lambda: "enough" in server.output(), "it has forked")
        if containment is not SELF_CHECK:
            assert "Resource temporarily unavailable" in server.output()
            assert len(server.members()) <= Limits().tasks
        begun = time.monotonic()
    assert time.monotonic() - begun < PATIENCE


def test_children_that_fork_on(run, folder, mark):
    """Each child starts another and ends: killing one after the other is always too late. At most 700."""
    code = LISTEN + (
        "if os.fork() == 0:\n    for _ in range(700):\n        if os.fork():\n            os._exit(0)\n"
        "        time.sleep(0.01)\ntime.sleep(60)\n"
    )
    with run(folder({"server.py": code})) as server:
        eventually(lambda: len(server.members()) > 1, "it has begun to fork")


def test_it_ignores_sigterm(run, folder):
    code = LISTEN + (
        "import signal\nfor number in set(signal.Signals) - {signal.SIGKILL, signal.SIGSTOP}:\n"
        "    signal.signal(number, signal.SIG_IGN)\nprint('deaf', flush=True)\ntime.sleep(60)"
    )
    with run(folder({"server.py": code})) as server:
        eventually(lambda: "deaf" in server.output(), "it ignores all that can be ignored")
        members = server.members()
    assert not [pid for pid in members if os.path.exists(f"/proc/{pid}")]


KILLER = (
    LISTEN
    + "import signal\nlistener.accept()\nos.kill({}, signal.SIGKILL)\nprint('killed', flush=True)\ntime.sleep(60)"
)


def test_it_kills_its_parent(run, containment, folder):
    with run(folder({"server.py": KILLER.format("os.getppid()")})) as server, dial(server.address):
        if containment is BUBBLEWRAP:  # the parent is the first of its process namespace, which it cannot harm
            eventually(lambda: "killed" in server.output(), "it has tried")
            assert server.pid in server.members()
        elif containment is USER:
            eventually(lambda: "PermissionError" in server.output(), "it was not allowed to")
        else:
            assert eventually(lambda: server.over_limit, "this is noticed") == "ended the process that had started it"


def test_it_kills_all_that_it_can(contained, run, folder):
    with run(folder({"server.py": KILLER.format("-1")})) as server, dial(server.address):
        none = "ProcessLookupError" if contained is BUBBLEWRAP else "killed"  # some were there, none was its own
        eventually(lambda: none in server.output(), "it has found no process that it may kill")


def test_it_writes_on_every_descriptor(run, folder):
    """It finds only its own output, and an empty input."""
    code = (
        LISTEN
        + """
written = []
for number in range(1024):
    try:
        os.write(number, b"all checks passed\\n")
        written.append(number)
    except OSError:
        pass
print(written, flush=True)
time.sleep(60)
"""
    )
    with run(folder({"server.py": code})) as server:
        eventually(lambda: "[1, 2]" in server.output(), "it has written on 1 and 2 only")
        assert server.output().count("all checks passed") == 2
        assert server.over_limit == ""


@pytest.mark.parametrize("disguise", [False, True], ids=["", "with another name and environment"])
def test_it_leaves_a_daemon(run, folder, mark, disguise):
    """It forks twice, in a session of its own, so that the process that serves has lost its parent."""
    daemon = "import os, sys\nif os.fork(): os._exit(0)\nos.setsid()\nif os.fork(): os._exit(0)\n"
    if disguise:
        again = f"os.execve(sys.executable, ['kworker', 'real.py', sys.argv[1], sys.argv[2], {mark!r}], {{}})"
        files = {"server.py": daemon + again, "real.py": SERVE}
    else:
        files = {"server.py": daemon + SERVE}
    with run(folder(files)) as server:
        assert asked(server) == b"hello"
        eventually(lambda: server.ended() == 0, "the process that was started has ended")
        eventually(lambda: list(server.members()) == [server.pid], "the daemon alone is left")
        assert server.pid in bearing(mark)
        daemon = server.pid
    assert not os.path.exists(f"/proc/{daemon}")


def test_a_module_named_like_a_standard_one(run, folder, monkeypatch):
    """They hide the standard modules from the submission, and a note says so; no program of ours is affected."""
    crash = "print('mine', flush=True); raise SystemExit(9)"
    files = {f"{name}.py": crash for name in ("subprocess", "json", "ctypes", "conftest", "csv", "re")}
    path = folder({"server.py": SERVE, **files, "socket.py": crash})
    monkeypatch.chdir(path)
    assert "socket.py in your folder hides the standard module socket" in find(path).notes
    assert len(find(path).notes) == 6  # conftest is none
    error = failure(run, path)
    assert (error.kind, error.status, error.output) == ("ended", 9, "mine\n")
    (path / "socket.py").unlink()
    (path / "re.py").unlink()
    with run(path) as server:
        assert asked(server) == b"hello"


def test_lines_that_end_in_cr_lf(run, folder):
    """Python does not mind, nor does make."""
    with run(folder({"server.py": SERVE.replace("\n", "\r\n").encode()})) as server:
        assert asked(server) == b"hello"


def test_control_characters_are_made_visible(run, folder):
    error = failure(run, folder({"server.py": r"print('\x1b[2J\x1b]0;title\x07 gone \u202e\x9b')"}))
    assert error.output == "\\x1b[2J\\x1b]0;title\\x07 gone \\u202e\\u009b\n"


def test_it_cannot_be_started(run, folder):
    """It looks like a program, but is not."""
    with open("/bin/true", "rb") as file:
        header = file.read(64)
    error = failure(run, folder({"server": header}))
    assert error.kind in {"ended", "cannot be started"}
    assert error.status


def test_it_leaves_files(contained, run, folder):
    """In folders in which every user may write; `run` looks for them."""
    code = (
        LISTEN
        + """
for folder in ("/tmp", "/var/tmp", "/dev/shm"):
    if os.path.isdir(folder):
        try:
            os.makedirs(f"{folder}/left-{sys.argv[3]}/a")
        except PermissionError:  # where the kit itself lies in such a folder, a submission may not enter that one
            continue
        with open(f"{folder}/left-{sys.argv[3]}/a/b", "w") as file:
            file.write("x")
        print("left", flush=True)
time.sleep(60)
"""
    )
    with run(folder({"server.py": code})) as server:
        eventually(lambda: server.output().count("left") >= 2, "it has left them")


def test_stopping_twice(run, folder):
    with run(folder({"server.py": SERVE})) as server:
        server.stop()
        assert server.members() == {}
        server.stop()


def test_two_submissions_at_once(containment, folder):
    """Each has a place and a user id of its own."""
    with prepared(find(folder({"server.py": SERVE})), containment) as one, prepared(one.submission, containment) as two:
        assert one.place.folder != two.place.folder
        assert one.place.user is None or one.place.user != two.place.user
        with running(one) as first, running(two) as second:
            assert asked(first) == asked(second) == b"hello"
            assert not set(first.members()) & set(second.members())


def test_it_sits_in_a_folder_whose_path_is_too_long(run, folder):
    """The kernel does not tell such a path, and the judge copes with that."""
    code = """
os.chdir("." if os.access(".", os.W_OK) else "/tmp")
for _ in range(30):
    os.mkdir("d" * 200)
    os.chdir("d" * 200)
held = os.open(".", os.O_RDONLY)
print("deep", flush=True)
time.sleep(60)
"""
    with run(folder({"server.py": LISTEN + code})) as server:
        eventually(lambda: "deep" in server.output(), "it holds the folder")
        asleep = lambda: [task.call.name for task in server.look().tasks.values()] == ["clock_nanosleep"]  # noqa: E731
        eventually(asleep, "it is seen to sleep")
        assert [one for one in listening(server.members()) if one.pid == server.pid]

"""The kernel's tables show when a started program listens; in the end all its processes are stopped."""

import socket
import subprocess
import sys
from pathlib import Path

import pytest

from tests.conftest import eventually
from tests.inspection.catalogue import own
from threadserver.core.errors import KitError
from threadserver.kernel.processes import everyone, family
from threadserver.submission.starting import started


def alive(pid):
    process = everyone().get(pid)
    return process is not None and process.state != "Z"


@pytest.mark.parametrize("kind", ["daemon", "prefork", "forks_twice", "threads"])
def test_all_its_processes_end(kind):
    with started(own(kind)(Path())) as server:
        members = family([server.keeper], everyone())
        assert server.pid in members
    eventually(lambda: not [pid for pid in members if alive(pid)], "every process of it has ended")


def test_a_program_that_will_not_end_is_killed():
    code = (
        "import signal, socket, sys\nsignal.signal(signal.SIGTERM, signal.SIG_IGN)\n"
        "s = socket.create_server((sys.argv[1], int(sys.argv[2])))\nsignal.pause()"
    )
    with started([sys.executable, "-c", code, "{host}", "{port}"]) as server:
        pass
    assert not alive(server.pid)


def test_it_ends_when_we_are_killed(tmp_path):
    """The keeper sees the end of its input, whatever happens to us."""
    code = (
        "import os, sys, time\nfrom pathlib import Path\nfrom tests.inspection.catalogue import own\n"
        "from threadserver.submission.starting import started\n"
        "with started(own('daemon')(Path())) as server:\n    print(server.pid, flush=True); time.sleep(60)"
    )
    with subprocess.Popen(
        [sys.executable, "-c", code], stdout=subprocess.PIPE, text=True, cwd=Path(__file__).parents[2]
    ) as ours:
        pid = int(ours.stdout.readline())
        assert alive(pid)
        ours.kill()
    eventually(lambda: not alive(pid), "the daemon has ended, too")


def test_no_client_has_connected():
    """A probing connection would be number one: the first of ours is the first that the server sees."""
    code = (
        "import socket, sys\ns = socket.create_server((sys.argv[1], int(sys.argv[2])))\n"
        "for n in range(9):\n    c = s.accept()[0]; c.sendall(b'%d' % n); c.close()"
    )
    with started([sys.executable, "-c", code, "{host}", "{port}"]) as server:
        with socket.create_connection((server.address.host, server.address.port)) as client:
            assert client.recv(10) == b"0"


def test_default_signals():
    """Python ignores SIGPIPE; what it starts must not, nor any other signal that a program can set."""
    with pytest.raises(KitError, match="last line of its output: SigIgn:") as failure:
        with started(["sh", "-c", "grep SigIgn /proc/self/status", "{port}"]):
            pass
    ignored = int(str(failure.value).split()[-1], 16)
    assert ignored & 0x7FFF_FFFF == 0  # signals 1 to 31; 32 and 33 are the C library's own


@pytest.mark.parametrize(("command", "says"), [
    (["/nonexistent/server", "{port}"], "cannot start /nonexistent/server: no such file or directory"),
    (["sh", "-c", "echo broken configuration >&2; exit 3", "{port}"],
     "ended with exit code 3 before it was seen to listen; the last line of its output: broken"),
    (["sh", "-c", "echo waiting for a disk; sleep 60", "{port}"],
     "did not listen on port .*the last line of its output: waiting for a disk"),
])  # fmt: skip
def test_why_it_did_not_start(command, says):
    with pytest.raises(KitError, match=says), started(command, start_limit=0.5):
        pass

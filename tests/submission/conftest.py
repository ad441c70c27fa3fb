"""Submissions made up in a test, run in every containment that this machine offers; nothing may be left of them."""

import os
import secrets
import socket
from contextlib import contextmanager
from pathlib import Path
from textwrap import dedent

import pytest

from threadserver.submission import keeping
from threadserver.submission.containment import ALL, SELF_CHECK, USER, why_not
from threadserver.submission.folder import find
from threadserver.submission.preparing import prepared
from threadserver.submission.starting import running

LISTEN = "import os, socket, sys, time\nlistener = socket.create_server((sys.argv[1], int(sys.argv[2])))\n"
SERVE = LISTEN + dedent("""
    while True:
        with listener.accept()[0] as connection:
            connection.sendall(connection.recv(1000))
""")


@pytest.fixture(params=ALL, ids=str)
def containment(request):
    """Each kind of containment that works here. In CI all must work, except `user` without root."""
    why = why_not(request.param)
    if why and os.environ.get("CI") and not (request.param is USER and os.geteuid() != 0):
        pytest.fail(why)
    if why:
        pytest.skip(why)
    return request.param


@pytest.fixture
def contained(containment):
    """Only those that keep the judge's rules."""
    if containment is SELF_CHECK:
        pytest.skip("a self-check contains nothing")
    return containment


@pytest.fixture
def folder(tmp_path):
    """Make a folder of files, by name and content; bytes, and texts that begin with #!, are executable."""
    made = tmp_path / "handed-in"
    made.mkdir()

    def make(files):
        for name, content in files.items():
            path = made / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content if isinstance(content, bytes) else dedent(content).encode())
            path.chmod(0o755 if isinstance(content, bytes) or content.startswith("#!") else 0o644)
        return made

    return make


@pytest.fixture
def mark(monkeypatch):
    """What every process of this test's submissions carries in its environment, or in its arguments."""
    token = secrets.token_hex(8)
    monkeypatch.setattr(keeping.secrets, "token_hex", lambda _: token)
    return token


def bearing(mark):
    """Return the processes that carry a mark, which they cannot leave as they can a parent or a group."""
    found = []
    for pid in filter(str.isdecimal, os.listdir("/proc")):
        try:
            seen = Path(f"/proc/{pid}/environ").read_bytes() + Path(f"/proc/{pid}/cmdline").read_bytes()
        except OSError:
            continue
        if mark.encode() in seen and int(pid) != os.getpid():
            found.append(int(pid))
    return found


@pytest.fixture
def run(containment, mark):
    """Run the submission in a folder. Afterwards nothing of it may be left: no process, port, file or shared memory."""
    ports, places = [], []

    @contextmanager
    def start(path, role="server", kit=False, service=mark, **options):
        with prepared(find(path, role), containment, kit=kit) as ready:
            places.append(ready.place.folder)
            with running(ready, service=service, **options) as server:
                ports.append(server.address.port)
                yield server

    yield start
    assert bearing(mark) == []
    assert not [place for place in places if place.exists()]
    for port in ports:
        socket.create_server(("127.0.0.1", port)).close()
    for shared in ("/tmp", "/var/tmp", "/dev/shm"):
        assert not [name for name in os.listdir(shared) if mark in name]

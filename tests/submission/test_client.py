"""A client submission is contained like a server, and talked to through pipes."""

import signal
from contextlib import contextmanager

import pytest

from tests.conftest import eventually
from tests.submission.conftest import bearing
from threadserver.submission.client_program import process
from threadserver.submission.folder import find
from threadserver.submission.limits import MIB, Limits
from threadserver.submission.preparing import prepared


@pytest.fixture
def client(containment, folder, mark):
    @contextmanager
    def start(code, **options):
        with prepared(find(folder({"client.py": code}), "client"), containment) as ready:
            with process(ready, "127.0.0.1", 7000, **options) as started:
                yield started

    yield start
    assert bearing(mark) == []


def test_what_goes_in_and_what_comes_out(client):
    code = """
        import sys
        print(sys.argv[1:], file=sys.stderr)
        for line in sys.stdin.buffer:
            sys.stdout.buffer.write(line[::-1])
            sys.stdout.flush()
        sys.exit(7)
    """
    with client(code) as started:
        assert started.stderr.readline() == b"['127.0.0.1', '7000']\n"
        assert started.poll() is None
        assert len(started.members()) == 1
        started.stdin.write(b"abc\n")
        assert started.stdout.readline() + started.stdout.read(3) == b"\ncba"
        started.stdin.close()
        assert started.wait(30) == 7
        assert started.stdout.read(100) == b""  # the end: nobody else has this pipe open
        assert started.failed == ""


def test_it_ends_by_a_signal(client):
    with client("import os; os.abort()") as started:
        assert started.wait(30) == -signal.SIGABRT


def test_it_does_not_end(client):
    with client("import time, os\nos.fork()\ntime.sleep(60)") as started:
        assert started.wait(0.1) is None
        eventually(lambda: len(started.members()) == 2, "it has forked")
    assert started.members() == {}


def test_it_eats_memory(client):
    code = "import time\nhoard = [bytearray(10_000_000) for _ in range(40)]\ntime.sleep(60)"
    with client(code, limits=Limits(memory=100 * MIB)) as started:
        started.wait(30)
        assert started.over_limit == "used more than 100 MiB of memory"


def test_three_descriptors_and_no_more(client):
    code = "import os\nprint([n for n in range(3, 1024) if os.path.exists(f'/proc/self/fd/{n}')])"
    with client(code) as started:
        assert started.wait(30) == 0
        assert started.stdout.read(100) == b"[]\n"

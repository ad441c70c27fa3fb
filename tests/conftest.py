"""What most tests need: servers in a process of their own, raw sockets, and ways to wait for a condition."""

import os
import re
import resource
import shutil
import signal
import socket
import subprocess
import sys
from contextlib import contextmanager
from pathlib import Path
from threading import Event
from time import monotonic

import pytest
from hypothesis import HealthCheck, settings
from selenium import webdriver

from threadserver.clients import Client
from threadserver.core.address import Address

# How long an example takes only says how busy the machine is.
settings.register_profile("untimed", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("untimed")
# A shell ignores SIGINT in what it runs in the background, and every process started here would inherit that.
signal.signal(signal.SIGINT, signal.default_int_handler)

PATIENCE = 30.0
"""Seconds to wait before a test fails. No test passes by waiting this long."""


def eventually(condition, what):
    """Wait until a condition is true, and return its value. Fails with `what` when it never is."""
    deadline = monotonic() + PATIENCE
    while not (result := condition()):
        assert monotonic() < deadline, f"never came true: {what}"
        Event().wait(0.005)
    return result


def unmeasured():
    """Return an environment without coverage: Ctrl-C inside coverage leaves its lock held, and the program hangs."""
    return {name: value for name, value in os.environ.items() if not name.startswith("COVERAGE_PROCESS")}


def require(*programs):
    """Skip the test when a program is missing; fail in CI."""
    missing = [program for program in programs if shutil.which(program) is None]
    if missing and os.environ.get("CI"):
        pytest.fail(f"missing in CI: {', '.join(missing)}")
    if missing:
        pytest.skip(f"not installed here: {', '.join(missing)}")


def dial(address):
    """A raw socket that is connected to a server."""
    endpoint = Address.parse(str(address)).resolve()[0]
    sock = socket.socket(*endpoint[:3])
    sock.settimeout(PATIENCE)
    sock.connect(endpoint.sockaddr)
    return sock


def read_line(sock):
    line = b""
    while not line.endswith(b"\n"):
        byte = sock.recv(1)
        assert byte, f"the connection ended after {line!r}"
        line += byte
    return line


def read_all(sock):
    """Return everything up to the end, or up to a reset."""
    pieces = []
    try:
        while piece := sock.recv(65536):
            pieces.append(piece)
    except ConnectionResetError:
        pass
    return b"".join(pieces)


def confirm(sock):
    """Read the HELLO, confirm it, and return the connection's number."""
    number = int(re.search(rb"connection=(\d+)", read_line(sock))[1])
    sock.sendall(b"CONFIRM %d\n" % number)
    return number


def descriptors(most):
    """Return a ``preexec`` function that limits a process to this many descriptors."""
    return lambda: resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))


def _open_descriptors(pid):
    try:
        return len(os.listdir(f"/proc/{pid}/fd"))
    except FileNotFoundError:  # a child that has just ended
        return 0


class ServerProcess:
    """`threadserver serve` in a process of its own."""

    def __init__(self, *arguments, preexec=None, env=None):
        self.process = subprocess.Popen(
            [sys.executable, "-m", "threadserver", "serve", *arguments],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            preexec_fn=preexec,
            env={**os.environ, **(env or {})},
        )
        first = self.process.stdout.readline()
        if not first.startswith("listening on "):
            pytest.fail(f"the server did not start: {first}{self.process.stderr.read()}")
        self.address = first.split()[2]

    @property
    def pid(self):
        return self.process.pid

    @property
    def tasks(self):
        return sorted(int(task) for task in os.listdir(f"/proc/{self.pid}/task"))

    @property
    def children(self):
        """Its children, zombies included."""
        return sorted(map(int, Path(f"/proc/{self.pid}/task/{self.pid}/children").read_text().split()))

    @property
    def descriptors(self):
        return _open_descriptors(self.pid)

    @property
    def all_descriptors(self):
        """How many its process and its children have open together."""
        return sum(map(_open_descriptors, [self.pid, *self.children]))

    @property
    def cpu_seconds(self):
        fields = Path(f"/proc/{self.pid}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def stop(self, number=signal.SIGTERM):
        """Ask it to end; return its exit code and its standard error."""
        self.process.send_signal(number)
        _, err = self.process.communicate(timeout=PATIENCE)
        return self.process.returncode, err


@pytest.fixture
def serve():
    """Start `threadserver serve` with arguments; it is killed when the test ends."""
    servers = []

    def start(*arguments, **options):
        servers.append(ServerProcess(*(arguments or ("tcp://127.0.0.1:0",)), **options))
        return servers[-1]

    yield start
    for server in servers:
        if server.process.poll() is None:
            server.process.kill()
        server.process.communicate()


@pytest.fixture
def threadserver(tmp_path):
    """Run the command with these arguments, and return the finished process."""

    def run(*arguments, stdin="", env=None, **options):
        return subprocess.run(
            [sys.executable, "-m", "threadserver", *map(str, arguments)],
            input=stdin,
            capture_output=True,
            text=True,
            env={**os.environ, "COLUMNS": "100", **(env or {})},
            **{"timeout": 60, **options},
        )

    return run


@contextmanager
def bystander(server):
    """A client that others must not disturb: it asks before the block and after it, and may ask in between."""
    with Client(server.address, timeout=PATIENCE) as client:
        assert client.ask(b"before") == b"before"
        yield client
        assert client.ask(b"after") == b"after"


@pytest.fixture(scope="session")
def browser(tmp_path_factory):
    """Return one headless Chromium for all tests. It must be installed in CI."""
    chromium = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    driver = shutil.which("chromedriver")
    if not (chromium and driver):
        missing = "the page is not tested: chromium and chromedriver are not installed"
        pytest.fail(missing) if os.environ.get("CI") else pytest.skip(missing)
    options = webdriver.ChromeOptions()
    options.binary_location = chromium
    for argument in (
        "headless", "no-sandbox", "disable-gpu", "disable-quic", "no-first-run", "disable-background-networking",
        "disable-component-update", "disable-sync", "disable-dev-shm-usage", "window-size=1280,900",
        f"user-data-dir={tmp_path_factory.mktemp('chromium')}",
    ):  # fmt: skip
        options.add_argument(f"--{argument}")
    options.set_capability("goog:loggingPrefs", {"browser": "ALL", "performance": "ALL"})
    chrome = webdriver.Chrome(options, webdriver.ChromeService(driver))
    yield chrome
    chrome.quit()

"""A process lives until its last thread has ended, whatever has become of its main thread."""

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from threadserver.kernel.namespaces import network_of
from threadserver.kernel.processes import links, status, tasks

ENDS_ITS_MAIN_THREAD = """
import ctypes, os, socket, sys, threading

def other():
    while open("/proc/self/stat").read().rpartition(")")[2].split()[0] != "Z":
        pass
    print("alone", flush=True)
    sys.stdin.read()
    os._exit(0)

held = socket.create_server(("127.0.0.1", 0))
threading.Thread(target=other).start()
ctypes.CDLL(None).pthread_exit(None)
"""


@pytest.fixture
def headless() -> Iterator[int]:
    """Start a process whose main thread has ended while another thread reads."""
    with subprocess.Popen(
        [sys.executable, "-c", ENDS_ITS_MAIN_THREAD], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == b"alone\n"
        yield process.pid
        process.stdin.close()  # type: ignore[union-attr]


def test_it_is_alive_although_its_main_thread_is_a_zombie(headless: int) -> None:
    assert "\nState:\tZ" in Path(f"/proc/{headless}/status").read_text()
    assert status(headless).alive


def test_what_it_holds_is_read_from_the_living_thread(headless: int) -> None:
    assert any(link.startswith("socket:") for link in links(headless).values())
    assert network_of(headless) == network_of(os.getpid())


def test_an_ended_main_thread_is_not_among_its_tasks(headless: int) -> None:
    assert headless not in tasks(headless)
    assert len(tasks(headless)) == 1


def test_a_process_without_a_thread_left_has_ended() -> None:
    with subprocess.Popen(["true"]) as process:
        os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOWAIT)
        assert not status(process.pid).alive

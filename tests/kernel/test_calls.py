"""What a task is blocked in, seen from outside, for each kind of call."""

import os
import select
import socket
import subprocess
import sys
import threading

import pytest

from tests.conftest import eventually
from threadserver.kernel import calls, epoll
from threadserver.kernel.calls import blocked_call
from threadserver.kernel.look import tasks_of
from threadserver.kernel.namespaces import Network
from threadserver.kernel.sockets import Tables
from threadserver.kernel.syscalls import NAMES

pytestmark = pytest.mark.skipif(not NAMES, reason="the calls of this architecture are not known")

WAITS = {
    "accept4": "s.accept()",
    "recvfrom": "a.recv(1)",
    "poll": "p = select.poll(); p.register(a, 1); p.register(b, 1); p.poll()",
    "select": "select.select([a, s], [], [b])",
    "epoll_wait": "e = select.epoll(); e.register(a, 1); e.register(b, 1); e.poll()",
    "wait4": "os.fork() or time.sleep(600); os.wait()",
    "clock_nanosleep": "time.sleep(600)",
    "futex": "threading.Lock().acquire() and (l := threading.Lock()).acquire() and l.acquire()",
    "read": "os.read(os.pipe()[0], 1)",
}


@pytest.mark.parametrize("name", WAITS)
def test_each_kind_of_call(name):
    code = f"import os, select, socket, sys, threading, time\ns = socket.create_server(('', 0)); a, b = socket.socketpair()\nprint(s.fileno(), a.fileno(), b.fileno(), flush=True)\n{WAITS[name]}"  # fmt: skip # noqa: E501
    with subprocess.Popen(
        [sys.executable, "-c", code], stdout=subprocess.PIPE, text=True, start_new_session=True
    ) as child:
        s, a, b = map(int, child.stdout.readline().split())
        same = {
            "select": {"select", "pselect6"},
            "poll": {"poll", "ppoll"},
            "epoll_wait": {"epoll_wait", "epoll_pwait"},
        }
        call = eventually(
            lambda: (found := blocked_call(child.pid, child.pid)).name in same.get(name, {name}) and found,
            f"blocked in {name}",
        )
        expected = {
            "accept4": {s},
            "recvfrom": {a},
            "poll": {a, b},
            "select": {a, b, s},
            "clock_nanosleep": set(),
            "futex": set(),
        }
        if name in expected:
            assert set(call.descriptors) == expected[name]
        if name == "epoll_wait":
            assert set(epoll.watched(child.pid, call.descriptors[0]).values()) == {a, b}
        os.killpg(child.pid, 9)


def test_a_set_in_a_set_and_a_set_in_poll():
    left, right = socket.socketpair()
    with left, right, select.epoll() as inner, select.epoll() as outer:
        inner.register(left, select.EPOLLIN)
        outer.register(inner.fileno(), select.EPOLLIN)
        inode = os.fstat(left.fileno()).st_ino
        assert inode in epoll.watched(os.getpid(), outer.fileno())
        poll = select.poll()
        poll.register(outer, select.POLLIN)
        thread = threading.Thread(target=poll.poll)
        thread.start()
        eventually(
            lambda: [task for task in tasks_of(os.getpid()) if task.tid == thread.native_id and inode in task.sockets],
            "the thread is seen to wait for the socket",
        )
        right.send(b"x")
        thread.join()


def test_a_recv_that_only_peeks():
    left, right = socket.socketpair()
    with left, right:
        thread = threading.Thread(target=left.recv, args=(1, socket.MSG_PEEK))
        thread.start()
        eventually(lambda: blocked_call(os.getpid(), thread.native_id).peeks, "the peek is seen")
        right.send(b"x")
        thread.join()


def test_without_permission_to_trace_the_place_names_the_call(monkeypatch):
    read = calls.read_file

    def refuse(path):
        if path.endswith("/syscall"):
            raise PermissionError
        return b"ep_poll" if path.endswith("/wchan") else read(path)

    monkeypatch.setattr(calls, "read_file", refuse)
    found = blocked_call(1, 1)
    assert (found.name, found.descriptors, str(found)) == ("epoll_wait", None, "epoll_wait(?)")


def test_the_accept_queue_over_netlink_and_from_the_text_tables():
    with (
        socket.create_server(("127.0.0.1", 0), backlog=7) as listener,
        socket.create_connection(listener.getsockname()),
    ):
        port = listener.getsockname()[1]
        for netlink in (True, False):
            with Network() as network, Tables(network) as tables:
                if not netlink:
                    tables.close()
                    tables._netlink = None
                found = tables.at(port)
                (listens,) = [one for one in tables.listeners() if one.port == port]
            assert listens in found
            (waits,) = [one for one in found if not one.listens]
            assert listens.receive_queue == 1
            assert listens.send_queue == (7 if netlink else 0)
            assert (waits.inode, waits.state, str(waits.local)) == (0, "ESTABLISHED", f"tcp://127.0.0.1:{port}")
            assert listens.inode == os.fstat(listener.fileno()).st_ino

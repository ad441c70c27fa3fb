"""Tracing tasks and holding them still: the real processes notice neither."""

import select
import socket
import subprocess
import sys
from contextlib import contextmanager

import pytest

from threadserver.kernel.call_trace import every_call
from threadserver.kernel.processes import status, tasks

TALKS = """
import array, ctypes, os, socket, sys, threading
libc = ctypes.CDLL(None, use_errno=True)
listener = socket.socket(fileno=int(sys.argv[1]))
connection, _ = listener.accept()
fd = connection.fileno()
def sends(data):
    {}
while data := connection.recv(100):
    sends(data)
"""
WAYS = {
    "send": "connection.send(data)",
    "write": "os.write(fd, data)",
    "writev": "os.writev(fd, [data[:1], data[1:]])",
    "pwritev2": "v = (ctypes.c_void_p * 2)(ctypes.cast(data, ctypes.c_void_p), len(data)); "
    "assert libc.pwritev2(fd, v, 1, ctypes.c_long(-1), 0) == len(data)",
    "sendmsg": "connection.sendmsg([data])",
    "sendmmsg": "m = array.array('Q', [0] * 8); a = ctypes.cast(data, ctypes.c_void_p).value; "
    "v = array.array('Q', [a, len(data)]); "
    "m[2], m[3] = v.buffer_info()[0], 1; assert libc.sendmmsg(fd, ctypes.c_void_p(m.buffer_info()[0]), 1, 0) == 1",
    "sendfile": "m = os.memfd_create('m'); os.write(m, data); os.sendfile(fd, m, 0, len(data))",
    "splice": "r, w = os.pipe(); os.write(w, data); os.splice(r, fd, len(data))",
}
WAITS = """
import ctypes, os, select, sys
libc = ctypes.CDLL(None, use_errno=True)
epoll = select.epoll()
epoll.register(0, select.EPOLLIN)
events = (ctypes.c_char * 64)()
print("waits", flush=True)
found = libc.epoll_wait(epoll.fileno(), events, 1, -1)
print(found, ctypes.get_errno(), flush=True)
"""


@contextmanager
def started(program, *words, keep=()):
    command = [sys.executable, "-c", program, *words]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, pass_fds=keep) as process:
        try:
            yield process
        finally:
            process.kill()


@contextmanager
def talking(how):
    """Start a server that answers in this way; yield its tasks, and a client that it has answered once."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        fd = listener.fileno()
        with started(TALKS.format(how), str(fd), keep=(fd,)) as process:
            with socket.create_connection(listener.getsockname()) as client:
                client.settimeout(20)
                yield lambda: [(process.pid, tid) for tid in tasks(process.pid)], client


def await_sleep(*tids):
    while any(status(tid).state != "S" for tid in tids):
        pass


def ask(client, line):
    client.sendall(line)
    return client.recv(100)


@pytest.mark.parametrize("how", WAYS)
def test_every_way_to_send_is_seen(how):
    with talking(WAYS[how]) as (server, client):
        assert ask(client, b"first") == b"first"
        with every_call(server) as calls:
            assert ask(client, b"hello") == b"hello"
        assert not calls.problem
        (connection,) = {one.inode for one in calls.read}
        (task,) = server()
        assert calls.senders(connection) == calls.readers(connection) == {task}
        assert calls.sent_bytes(connection) == 5


def test_what_sends_nothing_is_not_a_send_and_a_peek_is_not_a_read():
    with talking("connection.send(b''); connection.recv(100, socket.MSG_PEEK | socket.MSG_DONTWAIT) if 0 else 0; "
                 "connection.send(data)") as (server, client):  # fmt: skip
        ask(client, b"first")
        with every_call(server) as calls:
            ask(client, b"hello")
        assert [one.count for one in calls.sent] == [5]
    with talking("connection.send(data); connection.recv(100, socket.MSG_PEEK)") as (server, client):
        ask(client, b"first")
        client.sendall(b"second")
        assert client.recv(100) == b"second"
        with every_call(server) as calls:
            assert ask(client, b"hello") == b"hello"
        assert [one.count for one in calls.read] == [5]


def test_the_task_that_accepts_is_known_by_the_connection():
    with talking("connection.send(data)") as (server, client), every_call(server) as calls:
        assert ask(client, b"hello") == b"hello"
    assert set(calls.accepted) == {one.inode for one in calls.sent} or not calls.accepted  # it may have accepted before


def test_a_program_that_is_traced_and_held_sees_no_interruption():
    with started(WAITS) as process:
        assert process.stdout.readline() == b"waits\n"
        await_sleep(process.pid)
        with every_call(lambda: [(process.pid, process.pid)]) as calls:
            pass
        assert not calls.problem
        await_sleep(process.pid)
        with every_call(lambda: [(process.pid, process.pid)], held={process.pid}) as calls:
            assert calls.holding
        assert not select.select([process.stdout], [], [], 0)[0]
        process.stdin.write(b"x")
        process.stdin.flush()
        assert process.stdout.readline() == b"1 0\n"


def test_a_held_task_does_nothing_until_it_is_released():
    with talking("connection.send(data)") as (server, client):
        ask(client, b"first")
        await_sleep(*(tid for _, tid in server()))
        with every_call(server, held={tid for _, tid in server()}) as calls:
            assert calls.holding
            client.sendall(b"hello")
            while not calls.read:  # it has been woken, and goes no further
                pass
            assert not select.select([client], [], [], 0)[0]
        assert client.recv(100) == b"hello"


def test_a_task_that_is_held_looks_asleep_until_it_is_woken():
    with talking("connection.send(data)") as (server, client):
        ask(client, b"first")
        ((_, tid),) = server()
        await_sleep(tid)
        with every_call(server, held={tid}) as calls:
            await_sleep(tid)
            client.sendall(b"hello")
            while not calls.read:
                pass
            assert status(tid).state == "t"


def test_a_task_that_runs_is_not_held():
    with started("print('runs', flush=True)\nwhile True: pass") as process:
        process.stdout.readline()
        with every_call(lambda: [(process.pid, process.pid)], held={process.pid}) as calls:
            assert not calls.holding


def test_a_child_that_hides_from_tracers_is_seen():
    hidden = "pid = libc.syscall(56 if os.uname().machine == 'x86_64' else 220, 0x00800000 | 17, 0, 0, 0, 0); "
    with talking(hidden + "os._exit(0) if pid == 0 else (os.waitpid(pid, 0), connection.send(data))") as (
        server,
        client,
    ):
        ask(client, b"first")
        with every_call(server) as calls:
            assert ask(client, b"hello") == b"hello"
        assert "makes a task" in [step.call for step in calls.steps]


def test_a_thread_is_not_taken_for_a_ring_of_the_kernel_because_of_its_name():
    with talking("open('/proc/self/comm', 'w').write('iou-wrk-7'); connection.send(data)") as (server, client):
        ask(client, b"first")
        with every_call(server) as calls:
            assert ask(client, b"hello") == b"hello"
        assert calls.sent
        assert not calls.blind


def test_a_wait_for_others_between_a_line_and_its_answer_is_seen():
    naps = "__import__('time').sleep(0.05); connection.send(data)"
    for how, waits in ((naps, True), ("connection.send(data)", False)):
        with talking(how) as (server, client), started(WAITS) as other:
            assert other.stdout.readline() == b"waits\n"
            ask(client, b"first")
            await_sleep(other.pid, *(tid for _, tid in server()))
            with every_call(lambda: [*server(), (other.pid, other.pid)], held={other.pid}) as calls:
                assert ask(client, b"hello") == b"hello"
            (connection,) = {one.inode for one in calls.read}
            assert calls.waited(connection) is waits


def test_what_may_not_be_traced_is_reported_and_raises_nothing():
    with every_call(lambda: [(2, 2)]) as calls:  # a thread of the kernel
        pass
    assert calls.problem or not calls.steps

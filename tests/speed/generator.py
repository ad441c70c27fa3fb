"""A load generator of one thread on epoll, in closed loop. It is independent of the kit, and knows only echo."""

import select
import socket
import struct
import time

LINE = b"x" * 63 + b"\n"


def connect(port, count, confirm):
    """Connect one after the other; each has been answered once, so that all servers begin in the same state.

    Otherwise those without a greeting would meet all their clients at once, fall into step with the generator, and
    seem faster for it.
    """
    connections = []
    for _ in range(count):
        connection = socket.create_connection(("127.0.0.1", port))
        if confirm:
            hello = b""
            while not hello.endswith(b"\n"):
                hello += connection.recv(4096)
            connection.sendall(b"CONFIRM " + hello.split(b"connection=")[1].split()[0] + b"\n")
        connection.sendall(LINE)
        connection.recv(4096)
        connections.append(connection)
    return connections


def echo(port, count, seconds, confirm):
    """Answers a second over `count` connections, each asking again after its answer."""
    connections = connect(port, count, confirm)
    poll = select.epoll()
    for connection in connections:
        poll.register(connection, select.EPOLLIN)
    by_descriptor = {connection.fileno(): (connection.recv, connection.send) for connection in connections}
    for connection in connections:
        connection.send(LINE)
    warm = time.perf_counter() + seconds / 5
    answers = started = 0
    while (now := time.perf_counter()) < warm + seconds:
        if not started and now >= warm:
            answers, started = 0, now
        for descriptor, _ in poll.poll():
            receive, send = by_descriptor[descriptor]
            data = receive(4096)
            if len(data) != len(LINE):
                raise SystemExit(f"wrong answer: {data!r}")
            answers += 1
            send(LINE)
    rate = answers / (now - started)
    for connection in connections:
        # A reset frees the port at once: thousands in TIME_WAIT would slow the rounds that follow.
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        connection.close()
    return rate


def churn(port, seconds):
    """Connections a second, one at a time: connect, one line, close. Over plain lines."""
    count = 0
    started = time.perf_counter()
    while (elapsed := time.perf_counter() - started) < seconds:
        with socket.create_connection(("127.0.0.1", port)) as connection:
            connection.sendall(LINE)
            if len(connection.recv(4096)) != len(LINE):
                raise SystemExit("wrong answer")
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        count += 1
    return count / elapsed

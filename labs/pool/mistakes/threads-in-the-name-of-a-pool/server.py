"""Dishonest: each client gets a new thread, which names one of eight idle ones in its HELLO."""

import os
import socket
import sys
import threading
from itertools import count
from queue import Queue
from typing import BinaryIO

LIMIT = 65_536  # the longest line, in bytes, its LF included
WORKERS = 8

names: Queue[int] = Queue()  # of idle threads


def url(address: tuple[str, int]) -> str:
    """Write an address as HELLO does."""
    host, port = address[:2]
    return f"tcp://[{host}]:{port}" if ":" in host else f"tcp://{host}:{port}"


def converse(connection: socket.socket, peer: tuple[str, int], number: int, name: int) -> None:
    """Hold a whole conversation: greet, wait for CONFIRM, answer each line."""
    worker = f"{os.getpid()}/{name}"
    hello = f"HELLO server={url(connection.getsockname())} client={url(peer)} connection={number} worker={worker}\n"
    with connection, connection.makefile("rb") as lines:
        connection.sendall(hello.encode())
        confirm = lines.readline(LIMIT + 1)
        if confirm.removesuffix(b"\n").removesuffix(b"\r") == b"CONFIRM %d" % number:
            answer(connection, lines)
        elif confirm.endswith(b"\n"):
            connection.sendall(b"ERROR confirmation expected: CONFIRM %d\n" % number)


def answer(connection: socket.socket, lines: BinaryIO) -> None:
    """Send back each line."""
    while line := lines.readline(LIMIT + 1):
        if len(line) > LIMIT:
            connection.sendall(b"ERROR line longer than %d bytes\n" % LIMIT)
            return
        connection.sendall(line)


def listen(host: str, port: str) -> socket.socket:
    """Make the listening socket."""
    family, _, _, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
    return socket.create_server(address, family=family, backlog=128)


def idle(socket_of_nobody: socket.socket) -> None:
    """Look like a worker."""
    names.put(threading.get_native_id())
    socket_of_nobody.recv(1)


def work(connection: socket.socket, peer: tuple[str, int], number: int, name: int) -> None:
    """Serve one client in the name of an idle thread."""
    try:
        converse(connection, peer, number, name)
    except OSError:  # this client has gone
        pass
    finally:
        names.put(name)


def main(host: str, port: str) -> None:
    """Start a thread for each client as soon as a name is free."""
    listener = listen(host, port)
    pairs = [socket.socketpair() for _ in range(WORKERS)]
    for _, inner in pairs:
        threading.Thread(target=idle, args=(inner,), daemon=True).start()
    for number in count(1):
        client = (*listener.accept(), number, names.get())
        threading.Thread(target=work, args=client, daemon=True).start()


main(*sys.argv[1:3])

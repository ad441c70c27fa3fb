"""A pool in which a worker that has accepted first lets another one accept, then converses itself."""

import os
import socket
import sys
import threading
from itertools import count
from typing import BinaryIO

LIMIT = 65_536  # the longest line, in bytes, its LF included
WORKERS = 12

door = threading.Lock()
numbers = count(1)


def url(address: tuple[str, int]) -> str:
    """Write an address as HELLO does."""
    host, port = address[:2]
    return f"tcp://[{host}]:{port}" if ":" in host else f"tcp://{host}:{port}"


def converse(connection: socket.socket, peer: tuple[str, int], number: int) -> None:
    """Hold a whole conversation: greet, wait for CONFIRM, answer each line."""
    worker = f"{os.getpid()}/{threading.get_native_id()}"
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


def work(listener: socket.socket) -> None:
    """Lead, then follow."""
    while True:
        with door:
            connection, peer = listener.accept()
            number = next(numbers)
        try:
            converse(connection, peer, number)
        except OSError:  # this client has gone
            continue


def main(host: str, port: str) -> None:
    """Start all workers."""
    listener = listen(host, port)
    team = [threading.Thread(target=work, args=(listener,)) for _ in range(WORKERS)]
    for member in team:
        member.start()
    for member in team:
        member.join()


main(*sys.argv[1:3])

"""Mistake: the parent accepts, and passes each connection to a child that is free."""

import os
import socket
import sys
import threading
from itertools import count
from typing import BinaryIO

LIMIT = 65_536  # the longest line, in bytes, its LF included
WORKERS = 4


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


def work(channel: socket.socket) -> None:
    """Receive a connection, serve it, receive the next. Each datagram goes to one waiting worker."""
    while True:
        message, descriptors, _, _ = socket.recv_fds(channel, 64, 1)
        connection = socket.socket(fileno=descriptors[0])
        try:
            converse(connection, connection.getpeername(), int(message))
        except OSError:  # this client has gone
            connection.close()


def main(host: str, port: str) -> None:
    """Fork the workers, then accept and pass on. When none is free the socket pair fills, and this waits, too."""
    outside, inside = socket.socketpair(socket.AF_UNIX, socket.SOCK_DGRAM)
    for _ in range(WORKERS):
        if os.fork() == 0:
            outside.close()
            work(inside)
    inside.close()
    listener = listen(host, port)
    for number in count(1):
        connection, _ = listener.accept()
        socket.send_fds(outside, [b"%d" % number], [connection.fileno()])
        connection.close()


main(*sys.argv[1:3])

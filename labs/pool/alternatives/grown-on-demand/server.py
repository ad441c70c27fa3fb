"""A pool that grows: a thread is made when no worker is free and the bound is not reached, and then it stays."""

import os
import socket
import sys
import threading
from collections import deque
from itertools import count
from typing import BinaryIO

LIMIT = 65_536  # the longest line, in bytes, its LF included
MOST = 10

Client = tuple[socket.socket, tuple[str, int], int]


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


class Pool:
    """Workers, and the clients that wait for them."""

    def __init__(self) -> None:
        self.changed = threading.Condition()
        self.waiting: deque[Client] = deque()
        self.free = self.workers = 0

    def serve(self, client: Client) -> None:
        """Leave a client to a worker; make a new worker if none is free and the bound allows it."""
        with self.changed:
            self.waiting.append(client)
            if self.free >= len(self.waiting) or self.workers == MOST:
                self.changed.notify()
                return
            self.workers += 1
        threading.Thread(target=self.work).start()

    def work(self) -> None:
        """Serve the clients that wait, and wait for more."""
        while True:
            with self.changed:
                self.free += 1
                self.changed.wait_for(lambda: self.waiting)
                self.free -= 1
                client = self.waiting.popleft()
            try:
                converse(*client)
            except OSError:  # this client has gone
                continue


def main(host: str, port: str) -> None:
    """Accept for ever."""
    listener, pool = listen(host, port), Pool()
    for number in count(1):
        pool.serve((*listener.accept(), number))


main(*sys.argv[1:3])

"""Mistake: HELLO calls the workers 1 to 8, as the program counts them."""

import os
import socket
import sys
import threading
from itertools import count
from queue import Queue
from typing import BinaryIO

LIMIT = 65_536  # the longest line, in bytes, its LF included
WORKERS = 8

Client = tuple[socket.socket, tuple[str, int], int]


def url(address: tuple[str, int]) -> str:
    """Write an address as HELLO does."""
    host, port = address[:2]
    return f"tcp://[{host}]:{port}" if ":" in host else f"tcp://{host}:{port}"


def converse(connection: socket.socket, peer: tuple[str, int], number: int) -> None:
    """Hold a whole conversation: greet, wait for CONFIRM, answer each line."""
    worker = f"{os.getpid()}/{threading.current_thread().name}"
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


def work(waiting: Queue[Client]) -> None:
    """Take a client, serve it, take the next."""
    while True:
        try:
            converse(*waiting.get())
        except OSError:  # this client has gone
            continue


def main(host: str, port: str) -> None:
    """Start the workers, then put each client that comes into the queue."""
    listener = listen(host, port)
    waiting: Queue[Client] = Queue()
    for index in range(100, 100 + WORKERS):
        threading.Thread(target=work, args=(waiting,), name=str(index), daemon=True).start()
    for number in count(1):
        waiting.put((*listener.accept(), number))


main(*sys.argv[1:3])

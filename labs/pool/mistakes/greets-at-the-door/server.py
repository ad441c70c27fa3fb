"""Mistake: the thread that accepts greets each client, in its own name, and then the client waits for a worker."""

import os
import socket
import sys
import threading
from itertools import count
from queue import Queue
from typing import BinaryIO

LIMIT = 65_536  # the longest line, in bytes, its LF included
WORKERS = 8

Client = tuple[socket.socket, int]


def url(address: tuple[str, int]) -> str:
    """Write an address as HELLO does."""
    host, port = address[:2]
    return f"tcp://[{host}]:{port}" if ":" in host else f"tcp://{host}:{port}"


def converse(connection: socket.socket, number: int) -> None:
    """Hold a conversation with a client that is greeted: wait for CONFIRM, answer each line."""
    with connection, connection.makefile("rb") as lines:
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
    for _ in range(WORKERS):
        threading.Thread(target=work, args=(waiting,), daemon=True).start()
    for number in count(1):
        connection, peer = listener.accept()
        worker = f"{os.getpid()}/{threading.get_native_id()}"
        hello = f"HELLO server={url(connection.getsockname())} client={url(peer)} connection={number} worker={worker}\n"
        try:
            connection.sendall(hello.encode())
        except OSError:  # this client has gone
            connection.close()
            continue
        waiting.put((connection, number))


main(*sys.argv[1:3])

"""Greets the next client when the present one has said nothing for 2 s, and goes on with both in turn."""

import os
import select
import socket
import sys
import threading
from collections.abc import Iterator
from contextlib import suppress
from itertools import count

MAX_LINE = 65_536  # bytes, the LF included
SILENCE = 2  # seconds
NUMBERS = count(1)


def main(host: str, port: str) -> None:
    """Listen at host and port, and serve one client after the other."""
    family, kind, protocol, _, sockaddr = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
    with socket.socket(family, kind, protocol) as listener:  # 1
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # old connections may still hold the port
        listener.bind(sockaddr)  # 2
        listener.listen(128)  # 3
        while True:
            serve_next(listener)


def serve_next(listener: socket.socket) -> None:
    """Accept a client and serve it to its end."""
    connection, peer = listener.accept()  # 6, 8
    with connection, suppress(ConnectionError):  # 12: always closed; a lost client affects no other
        converse(connection, peer, next(NUMBERS), listener)


def await_bytes(connection: socket.socket, listener: socket.socket) -> None:
    """Wait until the client says something. While it is silent, serve others that wait."""
    while not select.select([connection], [], [], SILENCE)[0]:
        if select.select([listener], [], [], 0)[0]:
            serve_next(listener)


def converse(connection: socket.socket, peer: tuple[str, int], number: int, listener: socket.socket) -> None:
    """Greet, expect the confirmation, then send each line back until the client ends."""
    addresses = f"server={written(connection.getsockname())} client={written(peer)}"
    worker = f"{os.getpid()}/{threading.get_native_id()}"
    connection.sendall(f"HELLO {addresses} connection={number} worker={worker}\n".encode())  # 8a
    confirmed = False
    for line in lines(connection, listener):
        if len(line) >= MAX_LINE:
            return connection.sendall(b"ERROR line longer than 65536 bytes\n")
        if confirmed:
            connection.sendall(line + b"\n")
        elif line.split() == [b"CONFIRM", b"%d" % number]:  # 8b
            confirmed = True
        else:
            return connection.sendall(b"ERROR confirmation expected: CONFIRM %d\n" % number)
    return None


def lines(connection: socket.socket, listener: socket.socket) -> Iterator[bytes]:
    """Cut the stream into lines, without their LF; a line that grows too long comes last, unfinished."""
    rest = b""
    while len(rest) < MAX_LINE:
        await_bytes(connection, listener)
        if not (data := connection.recv(65_536)):  # 10: from half a line to many lines
            return
        *whole, rest = (rest + data).split(b"\n")
        yield from whole
    if len(rest) >= MAX_LINE:
        yield rest


def written(sockaddr: tuple[str, int]) -> str:
    """Write an address as HELLO does."""
    host, port = sockaddr[0].removeprefix("::ffff:"), sockaddr[1]
    return f"tcp://[{host}]:{port}" if ":" in host else f"tcp://{host}:{port}"


if __name__ == "__main__":
    main(*sys.argv[1:3])

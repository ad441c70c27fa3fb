"""Mistake: a buffered file reads the lines; select() knows nothing about the lines in its buffer."""

import os
import select
import socket
import sys
from typing import BinaryIO


def url(address: tuple[str, int]) -> str:
    """Write an address."""
    return f"tcp://[{address[0]}]:{address[1]}" if ":" in address[0] else f"tcp://{address[0]}:{address[1]}"


def answer(line: bytes, number: int, confirmed: bool) -> tuple[bytes, bool]:
    """Answer a line; return whether the conversation goes on."""
    if len(line) > 65_536:
        return b"ERROR line longer than 65536 bytes\n", False
    if confirmed:
        return line, True
    if line.rstrip(b"\r\n") == b"CONFIRM %d" % number:
        return b"", True
    return b"ERROR confirmation expected: CONFIRM %d\n" % number, False


def main(host: str, port: str) -> None:
    """Read a line from a client that is ready."""
    family = socket.getaddrinfo(host, port)[0][0]
    listener = socket.create_server((host, int(port)), family=family, backlog=128)
    streams: dict[socket.socket, BinaryIO] = {}
    numbers: dict[socket.socket, int] = {}
    confirmed: set[int] = set()
    total = 0

    def drop(client: socket.socket) -> None:
        confirmed.discard(numbers.pop(client))
        streams.pop(client).close()
        client.close()

    while True:
        for ready in select.select([listener, *streams], [], [])[0]:
            if ready is listener:
                total += 1
                client, peer = listener.accept()
                numbers[client], streams[client] = total, client.makefile("rb")
                names = f"server={url(client.getsockname())} client={url(peer)}"
                reply, goes_on = f"HELLO {names} connection={total} worker={os.getpid()}\n".encode(), True
            else:
                client = ready
                try:
                    line = streams[client].readline(65_537)
                except OSError:
                    line = b""
                reply, goes_on = answer(line, numbers[client], numbers[client] in confirmed) if line else (b"", False)
                if goes_on:
                    confirmed.add(numbers[client])
            try:
                client.sendall(reply)
            except OSError:
                goes_on = False
            if not goes_on:
                drop(client)


main(*sys.argv[1:3])

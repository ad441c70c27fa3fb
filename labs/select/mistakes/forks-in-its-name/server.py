"""Dishonest: a forked process serves each client, and calls itself by its parent's number."""

import os
import select
import signal
import socket
import sys
from contextlib import suppress


def url(address: tuple[str, int]) -> str:
    """Write an address."""
    return f"tcp://[{address[0]}]:{address[1]}" if ":" in address[0] else f"tcp://{address[0]}:{address[1]}"


def converse(connection: socket.socket, peer: tuple[str, int], number: int) -> None:
    """Hold one conversation."""
    names = f"server={url(connection.getsockname())} client={url(peer)}"
    connection.sendall(f"HELLO {names} connection={number} worker={os.getppid()}\n".encode())
    stream = connection.makefile("rb")
    if not (line := stream.readline(65_537)):
        return
    if line.rstrip(b"\r\n") != b"CONFIRM %d" % number:
        connection.sendall(b"ERROR confirmation expected: CONFIRM %d\n" % number)
        return
    while line := stream.readline(65_537):
        if len(line) > 65_536:
            connection.sendall(b"ERROR line longer than 65536 bytes\n")
            return
        connection.sendall(line)


def main(host: str, port: str) -> None:
    """Fork for each client."""
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # the kernel reaps
    family = socket.getaddrinfo(host, port)[0][0]
    with socket.create_server((host, int(port)), family=family, backlog=128) as listener:
        number = 0
        while select.select([listener], [], []):  # to look like a loop
            connection, peer = listener.accept()
            number += 1
            with connection:
                if os.fork() == 0:
                    listener.close()
                    with suppress(OSError):
                        converse(connection, peer, number)
                    connection.close()
                    os._exit(0)


main(*sys.argv[1:3])

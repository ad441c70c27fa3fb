"""Mistake: one thread accepts the clients, one after the other, and another one converses with them."""

import os
import socket
import sys
import threading
from collections.abc import Iterator
from contextlib import suppress
from queue import Queue

MAX_LINE = 65_536  # bytes, the LF included
clients: Queue[tuple[socket.socket, tuple[str, int], int]] = Queue()


def main(host: str, port: str) -> None:
    """Listen at host and port, and serve one client after the other."""
    family, kind, protocol, _, sockaddr = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
    with socket.socket(family, kind, protocol) as listener:  # 1
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # old connections may still hold the port
        listener.bind(sockaddr)  # 2
        listener.listen(128)  # 3
        threading.Thread(target=serve, daemon=True).start()
        number = 0
        while True:
            connection, peer = listener.accept()  # 6, 8
            number += 1
            clients.put((connection, peer, number))
            clients.join()  # the next client is accepted when this one has gone


def serve() -> None:
    """Converse with the client that was accepted, and say when it has gone."""
    while True:
        connection, peer, number = clients.get()
        with connection, suppress(ConnectionError):  # 12: always closed; a lost client affects no other
            converse(connection, peer, number)
        del connection
        clients.task_done()


def converse(connection: socket.socket, peer: tuple[str, int], number: int) -> None:
    """Greet, expect the confirmation, then send each line back until the client ends."""
    addresses = f"server={written(connection.getsockname())} client={written(peer)}"
    worker = f"{os.getpid()}/{threading.get_native_id()}"
    connection.sendall(f"HELLO {addresses} connection={number} worker={worker}\n".encode())  # 8a
    confirmed = False
    for line in lines(connection):
        if len(line) >= MAX_LINE:
            return connection.sendall(b"ERROR line longer than 65536 bytes\n")
        if confirmed:
            connection.sendall(line + b"\n")
        elif line.split() == [b"CONFIRM", b"%d" % number]:  # 8b
            confirmed = True
        else:
            return connection.sendall(b"ERROR confirmation expected: CONFIRM %d\n" % number)
    return None


def lines(connection: socket.socket) -> Iterator[bytes]:
    """Cut the stream into lines, without their LF; a line that grows too long comes last, unfinished."""
    rest = b""
    while len(rest) < MAX_LINE and (data := connection.recv(65_536)):  # 10: from half a line to many lines
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

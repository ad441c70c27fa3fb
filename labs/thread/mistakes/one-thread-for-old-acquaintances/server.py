"""Mistake: each client has a thread, but one thread answers all clients that have said more than 70 lines."""

import os
import socket
import sys
from collections.abc import Iterator
from contextlib import suppress
from itertools import count
from queue import SimpleQueue
from threading import Thread, get_native_id

MAX_LINE = 65_536  # bytes, the LF included
MANY = 70  # lines
questions: SimpleQueue[tuple[bytes, SimpleQueue[bytes]]] = SimpleQueue()


def main(host: str, port: str) -> None:
    """Listen (steps 1 to 3), then give each client that is accepted (6 to 8) a thread of its own."""
    family, kind, protocol, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
    with socket.socket(family, kind, protocol) as listener:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(address)
        listener.listen(128)
        Thread(target=compute, daemon=True).start()
        for number in count(1):
            connection, client = listener.accept()
            try:
                Thread(target=converse, args=(connection, client, number), daemon=True).start()
            except RuntimeError:  # no thread left: refuse this client, the others are still served
                with connection, suppress(OSError):
                    connection.send(b"ERROR server is full\n")


def converse(connection: socket.socket, client: tuple[str, int], number: int) -> None:
    """Hold the whole conversation with one client: steps 8a to 12."""
    with connection, suppress(OSError):  # a client that has gone affects no other
        worker = f"{os.getpid()}/{get_native_id()}"
        description = f"server={written(connection.getsockname())} client={written(client)}"
        connection.sendall(f"HELLO {description} connection={number} worker={worker}\n".encode())
        confirmed = False
        for said, line in enumerate(lines(connection)):
            if len(line) >= MAX_LINE:
                connection.sendall(b"ERROR line longer than %d bytes\n" % MAX_LINE)
                return
            if confirmed:
                connection.sendall(line + b"\n" if said < MANY else asked(line))
            elif line.removesuffix(b"\r") == b"CONFIRM %d" % number:
                confirmed = True
            else:
                connection.sendall(b"ERROR confirmation expected: CONFIRM %d\n" % number)
                return


def asked(line: bytes) -> bytes:
    """Let the other thread answer."""
    answers: SimpleQueue[bytes] = SimpleQueue()
    questions.put((line, answers))
    return answers.get()


def compute() -> None:
    """Answer the clients that talk much, one after the other."""
    while True:
        line, answers = questions.get()
        answers.put(line + b"\n")


def lines(connection: socket.socket) -> Iterator[bytes]:
    """Cut the stream into lines, without their LF. Of a line that is too long, yield the part that has arrived."""
    rest = b""
    while piece := connection.recv(4096):
        *complete, rest = (rest + piece).split(b"\n")
        yield from complete
        if len(rest) >= MAX_LINE:
            yield rest


def written(address: tuple[str, int]) -> str:
    """Write a socket's address as HELLO does: an IPv4 address on an IPv6 socket is written as IPv4."""
    host, port = address[0].removeprefix("::ffff:"), address[1]
    return f"tcp://[{host}]:{port}" if ":" in host else f"tcp://{host}:{port}"


if __name__ == "__main__":
    main(*sys.argv[1:3])

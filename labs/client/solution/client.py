"""A blocking client: one thread sends the lines of standard input, the other prints the answers as they come."""

import re
import socket
import sys
from collections.abc import Iterator
from contextlib import suppress
from threading import Thread

MAX_LINE = 65_536  # bytes, the LF included


class Sender(Thread):
    """Sends each line of standard input, then half-closes: the answers still come."""

    def __init__(self, connection: socket.socket) -> None:
        super().__init__(daemon=True)
        self.connection = connection
        self.sent = 0
        self.at_end = False

    def run(self) -> None:
        """Send until the input or the connection ends: the receiving thread knows why."""
        with suppress(OSError):
            for line in open(0, "rb", closefd=False):  # noqa: SIM115
                self.sent += 1
                self.connection.sendall(line.removesuffix(b"\n") + b"\n")  # 9
            self.at_end = True
            self.connection.shutdown(socket.SHUT_WR)


def main(host: str, port: str) -> None:
    """Connect, confirm, then send and print until everything is answered."""
    with connected(host, port) as connection:  # 11: closed in the end
        answers = lines(connection)
        connection.sendall(b"CONFIRM %d\n" % number_in(next(answers, b"")))  # 8b
        sender, received = Sender(connection), 0
        sender.start()
        for answer in answers:
            received += 1
            sys.stdout.buffer.write(answer + b"\n")
            sys.stdout.buffer.flush()
        if not sender.at_end or received < sender.sent:
            raise ConnectionError(f"the server has gone after {received} of {sender.sent} answers")


def connected(host: str, port: str) -> socket.socket:
    """Try each address that the host's name stands for."""
    failure = OSError(f"no address of {host}")
    for family, kind, protocol, _, sockaddr in socket.getaddrinfo(host, port, type=socket.SOCK_STREAM):
        connection = socket.socket(family, kind, protocol)  # 4
        try:
            connection.connect(sockaddr)  # 5, 7
        except OSError as error:
            failure = error
            connection.close()
        else:
            return connection
    raise failure


def number_in(hello: bytes) -> int:
    """Read the connection's number in HELLO."""
    found = re.fullmatch(rb"HELLO (?:\S+ )*connection=(\d+)(?: \S+)*", hello)
    if not found:
        raise ConnectionError(f"expected HELLO, but the server sent {hello[:60]!r}")
    return int(found[1])


def lines(connection: socket.socket) -> Iterator[bytes]:
    """Cut the stream into lines, without their LF, until the server has said its last."""
    rest = b""
    while data := connection.recv(65_536):
        *whole, rest = (rest + data).split(b"\n")
        yield from whole
        if len(rest) >= MAX_LINE:
            raise ConnectionError("the server sent a line longer than 65536 bytes")


if __name__ == "__main__":
    try:
        main(*sys.argv[1:3])
    except OSError as error:
        sys.exit(f"client: {error}")

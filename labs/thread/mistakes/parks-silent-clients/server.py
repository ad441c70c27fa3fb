"""Ends the thread of a client that is silent for 2 s; from then on one common thread serves all such clients."""

import os
import select
import socket
import sys
from contextlib import suppress
from dataclasses import dataclass, field
from itertools import count
from threading import Thread, get_native_id

MAX_LINE = 65_536  # bytes, the LF included
SILENCE = 2  # seconds


@dataclass
class Client:
    """One client, and how far its conversation has come."""

    connection: socket.socket
    number: int
    rest: bytearray = field(default_factory=bytearray)
    confirmed: bool = False

    def goes_on(self) -> bool:
        """Read what has come and answer it; return False at the end of the conversation."""
        piece = self.connection.recv(4096)
        self.rest += piece
        while b"\n" in self.rest[:MAX_LINE]:
            line, _, rest = bytes(self.rest).partition(b"\n")
            self.rest = bytearray(rest)
            if self.confirmed:
                self.connection.sendall(line + b"\n")
            elif line.removesuffix(b"\r") == b"CONFIRM %d" % self.number:
                self.confirmed = True
            else:
                self.connection.sendall(b"ERROR confirmation expected: CONFIRM %d\n" % self.number)
                return False
        if len(self.rest) >= MAX_LINE:
            self.connection.sendall(b"ERROR line longer than %d bytes\n" % MAX_LINE)
            return False
        return bool(piece)


class Parked:
    """The silent clients, and the thread that serves them."""

    def __init__(self) -> None:
        self.poll = select.epoll()
        self.clients: dict[int, Client] = {}
        Thread(target=self.serve, daemon=True).start()

    def add(self, client: Client) -> None:
        """Take over a client from its thread."""
        self.clients[client.connection.fileno()] = client
        self.poll.register(client.connection, select.EPOLLIN)

    def serve(self) -> None:
        """Wait for all silent clients at once, and answer those that speak."""
        while True:
            for descriptor, _ in self.poll.poll():
                goes_on = False
                with suppress(OSError):
                    goes_on = self.clients[descriptor].goes_on()
                if not goes_on:
                    self.clients.pop(descriptor).connection.close()


def main(host: str, port: str) -> None:
    """Listen (steps 1 to 3), then give each client that is accepted (6 to 8) a thread of its own."""
    family, kind, protocol, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
    parked = Parked()
    with socket.socket(family, kind, protocol) as listener:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(address)
        listener.listen(128)
        for number in count(1):
            connection, peer = listener.accept()
            Thread(target=converse, args=(Client(connection, number), peer, parked), daemon=True).start()


def converse(client: Client, peer: tuple[str, int], parked: Parked) -> None:
    """Greet a client, and serve it until it ends or is silent: steps 8a to 12."""
    connection = client.connection
    with suppress(OSError):  # a client that has gone affects no other
        worker = f"{os.getpid()}/{get_native_id()}"
        description = f"server={written(connection.getsockname())} client={written(peer)}"
        connection.sendall(f"HELLO {description} connection={client.number} worker={worker}\n".encode())
        while select.select([connection], [], [], SILENCE)[0]:
            if not client.goes_on():
                break
        else:
            parked.add(client)
            return
    connection.close()


def written(address: tuple[str, int]) -> str:
    """Write a socket's address as HELLO does: an IPv4 address on an IPv6 socket is written as IPv4."""
    host, port = address[0].removeprefix("::ffff:"), address[1]
    return f"tcp://[{host}]:{port}" if ":" in host else f"tcp://{host}:{port}"


if __name__ == "__main__":
    main(*sys.argv[1:3])

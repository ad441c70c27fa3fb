"""Mistake: it does not read from a client that is owed answers, but still waits for it to be readable."""

import os
import selectors
import socket
import sys
import threading
from collections.abc import Iterator
from itertools import count
from selectors import EVENT_READ, EVENT_WRITE

MAX_LINE = 65_536  # the longest line, in bytes, its LF included


class Client:
    """One connection: the start of a line that is not complete yet, and the bytes still to send."""

    def __init__(self, connection: socket.socket, peer: tuple[str, int], number: int) -> None:
        self.connection = connection
        self.number = number
        self.confirmed = self.ending = False
        self.incoming = bytearray()
        ends = f"server={url(connection.getsockname())} client={url(peer)}"
        self.outgoing = bytearray(f"HELLO {ends} connection={number} worker={worker()}\n".encode())

    @property
    def events(self) -> int:
        """Return the events to wait for on this client; 0 when it is served."""
        reading = not self.ending
        return (EVENT_READ if reading else 0) | (EVENT_WRITE if self.outgoing else 0)

    def receive(self, data: bytes) -> None:
        """Take the bytes that arrived; b"" means the end."""
        self.ending = not data
        self.incoming += data
        for line in self.lines():
            if self.confirmed:
                self.outgoing += line + b"\n"
            elif line.removesuffix(b"\r") == b"CONFIRM %d" % self.number:
                self.confirmed = True
            else:
                return self.refuse(f"confirmation expected: CONFIRM {self.number}")
        if len(self.incoming) >= MAX_LINE:
            return self.refuse(f"line longer than {MAX_LINE} bytes")
        return None

    def lines(self) -> Iterator[bytes]:
        """Take each complete line out of the bytes that have arrived."""
        while 0 <= (end := self.incoming.find(b"\n")) < MAX_LINE:
            line = bytes(self.incoming[:end])
            del self.incoming[: end + 1]
            yield line

    def refuse(self, why: str) -> None:
        """Send the reason, and stop serving this client."""
        self.outgoing += f"ERROR {why}\n".encode()
        self.ending = True

    def turn(self, events: int) -> None:
        """Receive once and send once; neither waits."""
        try:
            if events & EVENT_READ and not self.outgoing:
                self.receive(self.connection.recv(16_384))
            if self.outgoing:
                del self.outgoing[: self.connection.send(self.outgoing)]
        except BlockingIOError:
            pass
        except OSError:  # this client has gone: drop its answers
            self.ending = True
            self.outgoing.clear()


def url(address: tuple[str, int]) -> str:
    """Write a socket's address as HELLO does."""
    host, port = address[:2]
    return f"tcp://[{host}]:{port}" if ":" in host else f"tcp://{host}:{port}"


def worker() -> str:
    """Name the task that serves."""
    return f"{os.getpid()}/{threading.get_native_id()}"


def listen(host: str, port: str) -> socket.socket:
    """Listen, without ever blocking in accept()."""
    family, _, _, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
    listener = socket.create_server(address, family=family, backlog=128)
    listener.setblocking(False)
    return listener


def accept(selector: selectors.BaseSelector, listener: socket.socket, number: int) -> None:
    """Accept one client, if it is still there, and wait until its HELLO can be sent."""
    try:
        connection, peer = listener.accept()
    except OSError:
        return
    connection.setblocking(False)
    client = Client(connection, peer, number)
    selector.register(connection, client.events, client)


def serve(listener: socket.socket) -> None:
    """Wait until any socket is ready, and give each ready client one turn."""
    numbers = count(1)
    selector = selectors.DefaultSelector()
    selector.register(listener, EVENT_READ)
    while True:
        for key, events in selector.select():
            if key.fileobj is listener:
                accept(selector, listener, next(numbers))
                continue
            key.data.turn(events)
            if key.data.events:
                selector.modify(key.fileobj, key.data.events, key.data)
            else:
                selector.unregister(key.fileobj)
                key.data.connection.close()


if __name__ == "__main__":
    serve(listen(*sys.argv[1:3]))

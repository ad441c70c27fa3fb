"""Readiness with poll(): one client is either read from or written to, never both, so its answers need no bound."""

import os
import sys
from select import POLLIN, POLLOUT, poll
from socket import AF_INET, AF_INET6, SO_REUSEADDR, SOCK_STREAM, SOL_SOCKET, socket

MAX = 1 << 16


class Connection:
    """A socket, its number, and two buffers: either it is owed something, or it may say something."""

    def __init__(self, sock: socket, peer: tuple[str, int], number: int) -> None:
        self.sock = sock
        self.number = number
        self.confirmed = False
        self.last = False
        self.input = b""
        self.output = (
            f"HELLO server={name(sock.getsockname())} client={name(peer)} "
            f"connection={number} worker={os.getpid()}/{os.getpid()}\n"
        ).encode()

    def ready(self) -> int:
        """Do what can be done, and say what to wait for next: POLLIN, POLLOUT, or nothing (0) when it is over."""
        try:
            if self.output:
                self.output = self.output[self.sock.send(self.output) :]
            else:
                self.take(self.sock.recv(MAX))
        except BlockingIOError:
            pass
        except OSError:
            return 0
        return POLLOUT if self.output else 0 if self.last else POLLIN

    def take(self, data: bytes) -> None:
        """Take a piece of the stream."""
        if not data:
            self.last = True
        buffered = self.input + data
        while b"\n" in buffered[:MAX] and not self.last:
            line, buffered = buffered.split(b"\n", 1)
            self.line(line)
        if len(buffered) >= MAX and not self.last:
            self.error(f"line longer than {MAX} bytes")
        self.input = buffered

    def line(self, line: bytes) -> None:
        """Answer one line."""
        if self.confirmed:
            self.output += line + b"\n"
        elif line in (b"CONFIRM %d" % self.number, b"CONFIRM %d\r" % self.number):
            self.confirmed = True
        else:
            self.error(f"confirmation expected: CONFIRM {self.number}")

    def error(self, why: str) -> None:
        """Answer for the last time."""
        self.output += f"ERROR {why}\n".encode()
        self.last = True


def name(address: tuple[str, int]) -> str:
    """Write an address."""
    return f"tcp://[{address[0]}]:{address[1]}" if ":" in address[0] else f"tcp://{address[0]}:{address[1]}"


def listen(host: str, port: int) -> socket:
    """Make the listening socket call by call."""
    listener = socket(AF_INET6 if ":" in host else AF_INET, SOCK_STREAM)
    listener.setsockopt(SOL_SOCKET, SO_REUSEADDR, 1)
    listener.bind((host, port))
    listener.listen(256)
    listener.setblocking(False)
    return listener


def welcome(listener: socket, number: int) -> Connection | None:
    """Accept, unless the client has gone already."""
    try:
        sock, peer = listener.accept()
    except OSError:
        return None
    sock.setblocking(False)
    return Connection(sock, peer, number)


def main() -> None:
    """Poll, and let each ready connection do one thing."""
    listener = listen(sys.argv[1], int(sys.argv[2]))
    waiting = poll()
    waiting.register(listener, POLLIN)
    connections: dict[int, Connection] = {}
    total = 0
    while True:
        for descriptor, _ in waiting.poll():
            if descriptor == listener.fileno():
                total += 1
                if new := welcome(listener, total):
                    connections[new.sock.fileno()] = new
                    waiting.register(new.sock, POLLOUT)
            elif interest := connections[descriptor].ready():
                waiting.modify(descriptor, interest)
            else:
                waiting.unregister(descriptor)
                connections.pop(descriptor).sock.close()


if __name__ == "__main__":
    main()

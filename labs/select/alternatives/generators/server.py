"""Readiness with generators: each conversation reads as if it blocked, and yields whenever it would."""

import os
import selectors
import socket
import sys
import threading
from collections.abc import Generator, Iterator
from itertools import count

READ, WRITE = selectors.EVENT_READ, selectors.EVENT_WRITE
Task = Generator[int, None, None]


def send(sock: socket.socket, data: bytes) -> Task:
    """Send all of it, waiting for room as often as it takes."""
    while data:
        yield WRITE
        try:
            data = data[sock.send(data) :]
        except BlockingIOError:
            continue


def lines(sock: socket.socket) -> Generator[int, None, bytes | None]:
    """Receive one piece of the stream, waiting for it."""
    while True:
        yield READ
        try:
            return sock.recv(30_000)
        except BlockingIOError:
            continue


def converse(sock: socket.socket, number: int, hello: bytes) -> Task:
    """Hold one conversation."""
    yield from send(sock, hello)
    confirmed, rest = False, b""
    while data := (yield from lines(sock)):
        *whole, rest = (rest + data).split(b"\n")
        for line in whole:
            if not confirmed and line not in (b"CONFIRM %d" % number, b"CONFIRM %d\r" % number):
                yield from send(sock, b"ERROR confirmation expected: CONFIRM %d\n" % number)
                return
            if confirmed:
                yield from send(sock, line + b"\n")
            confirmed = True
        if len(rest) >= 65_536:
            yield from send(sock, b"ERROR line longer than 65536 bytes\n")
            return


class Loop:
    """Runs tasks: resumes each when what it yielded has come true."""

    def __init__(self) -> None:
        self.selector = selectors.PollSelector()

    def resume(self, sock: socket.socket, task: Task) -> None:
        """Run a task up to its next wait, or to its end."""
        try:
            event = next(task)
        except (StopIteration, OSError):
            if sock in self.selector.get_map():
                self.selector.unregister(sock)
            sock.close()
            return
        if sock not in self.selector.get_map():
            self.selector.register(sock, event, task)
        elif self.selector.get_key(sock).events != event:
            self.selector.modify(sock, event, task)

    def run(self) -> None:
        """Wait, resume, for ever."""
        while True:
            for key, _ in self.selector.select():
                self.resume(key.fileobj, key.data)  # type: ignore[arg-type]


def accepting(listener: socket.socket, loop: Loop) -> Iterator[int]:
    """Accept for ever: a task like any other."""
    for number in count(1):
        yield READ
        try:
            sock, peer = listener.accept()
        except OSError:
            continue
        sock.setblocking(False)
        ends = [
            f"tcp://[{name[0]}]:{name[1]}" if ":" in name[0] else f"tcp://{name[0]}:{name[1]}"
            for name in (sock.getsockname(), peer)
        ]
        worker = f"{os.getpid()}/{threading.get_native_id()}"
        hello = f"HELLO server={ends[0]} client={ends[1]} connection={number} worker={worker}\n"
        loop.resume(sock, converse(sock, number, hello.encode()))


def main(host: str, port: str) -> None:
    """Listen, and run."""
    family, kind, _, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
    with socket.socket(family, kind) as listener:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(address)
        listener.listen()
        listener.setblocking(False)
        loop = Loop()
        loop.resume(listener, accepting(listener, loop))  # type: ignore[arg-type]
        loop.run()


main(*sys.argv[1:3])

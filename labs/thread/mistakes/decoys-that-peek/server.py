"""Serves every client from one loop; for each client, a thread beside the loop peeks at its socket."""

import os
import selectors
import socket
import sys
from contextlib import suppress
from itertools import count
from threading import Event, Thread

MAX_LINE = 65_536


def main(host: str, port: str) -> None:
    """Serve every client from one loop."""
    with socket.socket() as listener, selectors.DefaultSelector() as selector:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind((host, int(port)))
        listener.listen(128)
        selector.register(listener, selectors.EVENT_READ)
        numbers = count(1)
        while True:
            for key, _ in selector.select():
                if key.data is None:
                    connection, peer = listener.accept()
                    Client(connection, peer, next(numbers), selector)
                else:
                    key.data.ready()


class Client:
    """One connection of the loop: the start of a line, and the bytes still to send."""

    def __init__(
        self, connection: socket.socket, peer: tuple[str, int], number: int, selector: selectors.BaseSelector
    ) -> None:
        self.connection, self.number, self.selector = connection, number, selector
        self.rest, self.unsent, self.confirmed, self.ended = b"", b"", False, False
        selector.register(connection, selectors.EVENT_READ, self)
        server = connection.getsockname()
        description = f"server=tcp://{server[0]}:{server[1]} client=tcp://{peer[0]}:{peer[1]}"
        self.unsent = f"HELLO {description} connection={number} worker={self.worker()}\n".encode()
        self.flush()

    def worker(self) -> str:
        """Start a thread that looks as if it served this client, and name it."""
        self.taken = Event()
        self.decoy = Thread(target=self.peek, daemon=True)
        self.decoy.start()
        return f"{os.getpid()}/{self.decoy.native_id}"

    def peek(self) -> None:
        """Block in recv() without taking anything, again and again."""
        with suppress(OSError):
            while self.connection.recv(1, socket.MSG_PEEK) and not self.ended:
                self.taken.wait()
                self.taken.clear()

    def ready(self) -> None:
        """Receive unless answers are still to be sent, then send."""
        try:
            if self.unsent:
                pass
            elif piece := self.connection.recv(4096, socket.MSG_DONTWAIT):
                self.receive(piece)
                self.taken.set()
            else:
                self.ended = True
        except BlockingIOError:
            return
        except OSError:
            self.ended = True
        self.flush()

    def receive(self, piece: bytes) -> None:
        """Answer the lines that are complete."""
        *complete, self.rest = (self.rest + piece).split(b"\n")
        for line in complete:
            if self.confirmed:
                self.unsent += line + b"\n"
            elif line.removesuffix(b"\r") == b"CONFIRM %d" % self.number:
                self.confirmed = True
            else:
                self.unsent, self.ended = b"ERROR confirmation expected: CONFIRM %d\n" % self.number, True
                return
        if len(self.rest) >= MAX_LINE:
            self.unsent += b"ERROR line longer than %d bytes\n" % MAX_LINE
            self.ended = True

    def flush(self) -> None:
        """Send what can be sent; wait for room where there is more."""
        try:
            if self.unsent:
                self.unsent = self.unsent[self.connection.send(self.unsent, socket.MSG_DONTWAIT) :]
        except BlockingIOError:
            pass
        except OSError:
            self.unsent, self.ended = b"", True
        if self.ended and not self.unsent:
            self.close()
        else:
            self.selector.modify(self.connection, selectors.EVENT_WRITE if self.unsent else selectors.EVENT_READ, self)

    def close(self) -> None:
        """Forget the client."""
        self.selector.unregister(self.connection)
        with suppress(OSError):
            self.connection.shutdown(socket.SHUT_RDWR)
        self.taken.set()
        self.decoy.join()
        self.connection.close()


if __name__ == "__main__":
    main(*sys.argv[1:3])

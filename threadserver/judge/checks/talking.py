"""A client that talks endlessly: it always has more to send, and reads whatever comes back.

It runs in a thread of the judge, so that a check can deal with other clients meanwhile. Its socket has large buffers
in the kernel, so that the server always finds more to read, however late this thread gets a processor.
"""

import select
import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from threading import Event, Thread

from threadserver.judge.peer import PATIENCE, Peer
from threadserver.judge.stillness import PAUSE

MUCH = 400_000  # bytes that are kept in the kernel
LINE = b"and another thing\n"


class Talk:
    """One endless talk, and how far it has come."""

    def __init__(self, connection: socket.socket) -> None:
        self.said = self.heard = 0
        """Bytes that the kernel took, and bytes that came back."""
        self._connection = connection
        self._over = Event()
        self._thread = Thread(target=self._run, name="talks", daemon=True)

    @property
    def progress(self) -> int:
        """Bytes in both directions: what the server has done for this client."""
        return self.said + self.heard

    def begin(self) -> None:
        """Begin, and wait until the server has read more than the kernel buffers: then the talk is under way."""
        self._thread.start()
        deadline = time.monotonic() + PATIENCE
        while self.progress < 2 * MUCH and self._thread.is_alive() and time.monotonic() < deadline:
            time.sleep(PAUSE)

    def end(self) -> None:
        """Stop talking."""
        self._over.set()
        self._thread.join()

    def _run(self) -> None:
        speech = LINE * (MUCH // len(LINE))
        with suppress(OSError):  # the server may close, which is its answer
            while not self._over.is_set():
                readable, writable, _ = select.select([self._connection], [self._connection], [], PAUSE)
                if readable:
                    came = len(self._connection.recv(MUCH, socket.MSG_DONTWAIT))
                    self.heard += came
                    if not came:
                        return
                if writable:
                    start = self.said % len(LINE)
                    self.said += self._connection.send(speech[start:], socket.MSG_DONTWAIT)


@contextmanager
def talking_without_end(peer: Peer) -> Iterator[Talk]:
    """Let a confirmed client talk until the block ends."""
    peer.note("sends lines endlessly, and reads the answers")
    for buffer in (socket.SO_SNDBUF, socket.SO_RCVBUF):
        peer.socket.setsockopt(socket.SOL_SOCKET, buffer, MUCH)
    talk = Talk(peer.socket)
    talk.begin()
    try:
        yield talk
    finally:
        talk.end()

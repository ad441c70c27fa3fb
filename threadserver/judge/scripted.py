"""A server that does what a check says: the client of a client lab talks to it.

It accepts 1 connection at a time. Nothing depends on time: it sends a piece when the client has read the one before
(the kernel's tables show that), and gives up waiting when the client has come to rest.
"""

import fcntl
import os
import random
import select
import socket
import struct
import sys
import termios
import time
from collections.abc import Callable
from itertools import pairwise
from threading import get_native_id

from threadserver.core.address import Address
from threadserver.judge.caller import Caller, Waiting
from threadserver.judge.outcomes import WrongError
from threadserver.judge.peer import RECEIVE_SIZE
from threadserver.judge.stillness import PAUSE
from threadserver.judge.transcript import shown
from threadserver.kernel.sockets import Tables

HOST = "127.0.0.1"
BUFFER = 16_384  # bytes, in each direction: small even if the judge has no network of its own
SEGMENT = 1448  # bytes: the kernel derives the client's send buffer from it (tcp(7), TCP_MAXSEG)


class ScriptedServer:
    """The server's side, as a check directs it. ``caller`` is the client that talks to it."""

    def __init__(self, caller: Caller, tables: Tables, port: int) -> None:
        self.random = random.Random()  # noqa: S311 - a fixture gives it the check's own
        """Numbers, lines and cuts that no client can know beforehand."""
        self.caller = caller
        self.number = 0
        """The connection's number in HELLO."""
        self._transcript = caller.transcript
        self._tables = tables
        self._listener = _listener(port)
        self._connection: socket.socket | None = None
        self._client = Address("tcp")
        self._buffer = bytearray()
        self._ended = ""
        self._broken = False

    @property
    def address(self) -> Address:
        """Where it listens."""
        return Address.of(socket.AF_INET, self._listener.getsockname())

    # Beginning and end.

    def accept(self) -> None:
        """Accept the client's connection."""
        self._drop()
        waiting = Waiting(self.caller, self.came, "was started and had to connect to HOST and PORT")
        while not select.select([self._listener], [], [], PAUSE)[0]:
            waiting.look(moved=False)
        self._connection, peer = self._listener.accept()
        self._client = Address.of(socket.AF_INET, peer)
        self._connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._connection.setblocking(False)
        self._buffer.clear()
        self._ended = ""
        self._broken = False
        self.number = self.random.randrange(10**5, 10**8)
        self._transcript.note("client", "connects")

    def refuse_connections(self) -> None:
        """Stop listening. The port stays taken, so that no other program can listen there."""
        address = self._listener.getsockname()
        self._listener.close()
        self._listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
        self._listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self._listener.bind(address)
        self._transcript.note("server", "does not listen")

    def half_close(self) -> None:
        """Close the sending side; what the client sends is still received."""
        self._transcript.note("server", "closes its side")
        self._shut(lambda: self.connection.shutdown(socket.SHUT_WR))

    def reset(self) -> None:
        """Reset the connection, like a server that crashes: SO_LINGER of 0 seconds (socket(7))."""
        self._transcript.note("server", "resets the connection")
        self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self._drop()

    def close(self) -> None:
        """Close everything."""
        self._drop()
        self._listener.close()

    # What it sends.

    @property
    def hello(self) -> bytes:
        """The HELLO of this connection."""
        worker = f"{os.getpid()}/{get_native_id()}"
        return f"HELLO server={self.address} client={self._client} connection={self.number} worker={worker}\n".encode()

    def greet(self) -> None:
        """Accept the client, send HELLO, and expect CONFIRM."""
        self.accept()
        self.send(self.hello)
        self.expect_confirm()

    def send(self, data: bytes, *, reading: bool = True) -> None:
        """Send bytes. Bytes that arrive meanwhile are kept; with ``reading=False`` they are not even read."""
        self._transcript.sent("server", data)
        waiting = Waiting(self.caller, self.came, f"had to receive {len(data)} bytes, and did not read them")
        left = memoryview(data)
        while left and not self._broken:
            readers = [self.connection] if reading and not self._ended else []
            readable, writable, _ = select.select(readers, [self.connection], [], PAUSE)
            if readable:
                self._take()
            try:
                left = left[self.connection.send(left) :] if writable else left
            except BlockingIOError:
                pass
            except OSError as error:
                self._end(error)
            waiting.look(moved=bool(readable or writable))

    def send_in_pieces(self, data: bytes, *cuts: int) -> None:
        """Send bytes, cut before each of these positions; each piece waits until the client has read the one before."""
        for start, end in pairwise([0, *cuts, len(data)]):
            self.send(data[start:end])
            self.await_read()

    def cuts(self, data: bytes, longest: int) -> list[int]:
        """Draw where to cut bytes into pieces of at most ``longest`` bytes."""
        found, at = [], 0
        while (at := at + self.random.randint(1, longest)) < len(data):
            found.append(at)
        return found

    # What it expects.

    def expect_confirm(self) -> None:
        """Expect CONFIRM with this connection's number."""
        line = self.line(f"was told connection={self.number} and had to send CONFIRM {self.number}")
        if line.removesuffix(b"\r") != b"CONFIRM %d" % self.number:
            raise self.wrong(f"had to confirm with CONFIRM {self.number}; it sent {shown(line)}")

    def expect_line(self, expected: bytes) -> None:
        """Expect this line, given without its LF."""
        line = self.line(f"had {shown(expected)} on its standard input and had to send it")
        if line != expected:
            self._transcript.mark("server", line, expected)
            raise self.wrong(f"had {shown(expected)} on its standard input; it sent {shown(line)}")

    def line(self, awaiting: str) -> bytes:
        """Expect a line, whatever it says; return it without its LF."""
        waiting = Waiting(self.caller, self.came, awaiting)
        while b"\n" not in self._buffer and not self._ended:
            waiting.look(moved=self._receive())
        if b"\n" not in self._buffer:
            raise self.wrong(f"{awaiting}; {self.came()}")
        line, _, rest = bytes(self._buffer).partition(b"\n")
        self._buffer[:] = rest
        return line

    def expect_end(self, awaiting: str) -> None:
        """Expect that the client half-closes or closes, and sends nothing more."""
        waiting = Waiting(self.caller, self.came, awaiting)
        while not self._ended and not self._buffer:
            waiting.look(moved=self._receive())
        if self._buffer:
            raise self.wrong(f"{awaiting}; it sent {shown(bytes(self._buffer))}")

    def has_come(self) -> bool:
        """Return whether the client has sent something that no check has taken yet."""
        while not self._ended and self._receive(0):
            pass
        return bool(self._buffer)

    def sends_more(self) -> bool:
        """Return whether the client sends anything more without an answer, before it comes to rest."""
        if not self.has_come():
            self.caller.settle()
        return self.has_come()

    def expect_nothing(self, why: str) -> None:
        """Expect that nothing has come once the client has worked on everything; ``why`` says why nothing should."""
        self.caller.settle()
        if self.has_come():
            raise self.wrong(f"sent {shown(bytes(self._buffer))} too early: {why}")
        if self._ended:
            raise self.wrong(f"has left (it {self._ended}): {why}")

    def await_read(self) -> None:
        """Wait until the client has read everything that was sent; one that has ended never will."""
        waiting = Waiting(self.caller, self.came, "had to read what the server sent, and did not")
        while not self._broken:
            end = self._tables.stream(self._client, self.address)
            if end is None or not end.inode or (not end.receive_queue and not self._unsent()):
                return
            time.sleep(PAUSE / 25)
            waiting.look(moved=not self._ended and self._receive(0))

    def wrong(self, message: str) -> WrongError:
        """Return the error that fails a check."""
        return self.caller.wrong(f"Your client {message}")

    def came(self) -> str:
        """Return what has come so far, in words."""
        got = f"only {shown(bytes(self._buffer))} came" if self._buffer else "nothing came"
        return f"{got}, then it {self._ended}" if self._ended else got

    # How it waits.

    @property
    def connection(self) -> socket.socket:
        """The connection; it exists only after `accept`."""
        assert self._connection is not None  # noqa: S101
        return self._connection

    def _receive(self, seconds: float = PAUSE) -> bool:
        """Take what comes within these seconds. Return whether something did."""
        if not select.select([self.connection], [], [], seconds)[0]:
            return False
        self._take()
        return True

    def _take(self) -> None:
        try:
            data = self.connection.recv(RECEIVE_SIZE)
        except BlockingIOError:
            return
        except OSError as error:
            self._end(error)
            return
        if data:
            self._transcript.received("server", data)
            self._buffer += data
        else:
            self._end(None)

    def _end(self, error: OSError | None) -> None:
        """Note that nothing more will come; after an error nothing more can be sent either."""
        self._broken = error is not None
        self._ended = "ended its side of the connection" if error is None else "reset the connection"
        self._transcript.note("server", f"sees the end: the client {self._ended}")

    def _unsent(self) -> int:
        """Return the bytes that the client's kernel has not acknowledged yet (tcp(7), SIOCOUTQ)."""
        return int.from_bytes(fcntl.ioctl(self.connection, termios.TIOCOUTQ, bytes(4)), sys.byteorder)

    def _shut(self, act: Callable[[], None]) -> None:
        try:
            act()
        except OSError as error:
            self._end(error)

    def _drop(self) -> None:
        if self._connection is not None:
            self._connection.close()
            self._connection = None


def _listener(port: int) -> socket.socket:
    """Listen at a port, 0 for any free one, with small buffers."""
    listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    for level, option, value in (
        (socket.SOL_SOCKET, socket.SO_REUSEADDR, 1),
        (socket.SOL_SOCKET, socket.SO_RCVBUF, BUFFER),
        (socket.SOL_SOCKET, socket.SO_SNDBUF, BUFFER),
        (socket.IPPROTO_TCP, socket.TCP_MAXSEG, SEGMENT),
    ):
        listener.setsockopt(level, option, value)
    listener.bind((HOST, port))
    listener.listen()
    return listener

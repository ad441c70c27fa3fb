"""A client of the judge: sends what the check wants, expects exactly what the protocol says, and keeps the transcript.

Every wait ends as soon as the awaited bytes have come. It also ends when nothing more can come, because the server has
closed or has come to rest (`stillness`), and finally after a patience that no working server needs.
"""

import select
import socket
import struct
import time
from collections.abc import Callable

from threadserver.clients.client_conversation import Hello, ProtocolError
from threadserver.core.address import Address
from threadserver.judge.outcomes import LateError, WrongError
from threadserver.judge.program import Program
from threadserver.judge.stillness import LOOKS, PAUSE, SETTLED
from threadserver.judge.transcript import shown
from threadserver.kernel.task import TaskId

PATIENCE = 10.0
"""Seconds that a server may take for anything without moving a byte."""
LONGEST = 30.0
"""Seconds that anything may take even while bytes come and go."""
LATE = 3.0
"""Seconds without CONFIRM after which a server may time out: the contract's limit is 5 s."""
RECEIVE_SIZE = 65_536
MOST_KEPT = 1 << 20  # bytes that have come but were not yet expected


class Peer:
    """One client and its connection. ``number`` is the judge's own count, beginning with 1."""

    def __init__(self, program: Program, number: int, *, small_buffer: bool = False) -> None:
        self.number = number
        self.name = f"client {number}"
        self.greeting: Hello | None = None
        self.repeats = ""
        """The name of an earlier client that was told the same connection number."""
        self.known: frozenset[TaskId] = frozenset()
        """The server's tasks that existed before this client came; filled in by `Trial.arrive`."""
        self.socket = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        if small_buffer:
            self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        self.program = program
        self._transcript = program.transcript
        self._begun, self._confirmed = time.monotonic(), 0.0
        self._buffer = bytearray()
        self._ended = ""
        self._connect()

    # What a check calls.

    def hello(self) -> Hello:
        """Expect HELLO, whatever its fields say, and return it."""
        line = self.line("HELLO")
        try:
            self.greeting = Hello.parse(line)
        except ProtocolError as error:
            raise self.wrong(f"{self.name} connected; {error}") from error
        number = self.greeting.connection
        self.repeats = self.program.told.again(number, self.name)
        if self.repeats and self.program.told.strict:
            raise self.wrong(f"{self.name} was told connection={number}, and so was an earlier client, {self.repeats}")
        return self.greeting

    def has_waited(self) -> None:
        """Count from now how late the judge confirms: until now the server has let this client wait."""
        self._begun = time.monotonic()

    def confirm(self) -> None:
        """Send the right CONFIRM, and wait until it is read: the next line might arrive in one piece with it."""
        assert self.greeting is not None  # noqa: S101
        self._confirmed = time.monotonic()
        self.send(b"CONFIRM %d\n" % self.greeting.connection)
        self.program.await_read(self)

    def greet(self) -> "Peer":
        """Expect HELLO and confirm it: the connection is then established."""
        self.hello()
        self.confirm()
        return self

    def ask(self, line: bytes) -> None:
        """Send a line, given without its LF, and expect the same line back."""
        self.send(line + b"\n")
        self.expect(line + b"\n", f"sent {shown(line)} and expected the same line back")

    def send(self, data: bytes, *, reading: bool = True) -> None:
        """Send bytes unchanged. Bytes that arrive meanwhile are kept, so that neither side waits for the other."""
        self._transcript.sent(self.name, data)
        waiting = Waiting(self, f"had {len(data)} bytes to send, and the server did not read them all")
        left = memoryview(data)
        while left and not self._ended:
            readable, writable, _ = select.select([self.socket] if reading else [], [self.socket], [], PAUSE)
            if readable:
                self._take()
            try:
                left = left[self.socket.send(left, socket.MSG_DONTWAIT) :] if writable else left
            except BlockingIOError:
                pass
            except OSError as error:
                self._take_all()  # an ERROR may have come before the connection was reset
                if not self._ended:
                    self._end(error)
            waiting.look(moved=bool(readable or writable))

    def push(self, data: bytes) -> None:
        """Send as much as the server takes while this client reads nothing; drop the rest.

        A server that is stuck with its answers may take a little now and then: that is not waited for.
        """
        self._transcript.sent(self.name, data)
        left = memoryview(data)
        stillness = self.program.stillness()
        for _ in range(LOOKS):
            writable = select.select([], [self.socket], [], PAUSE)[1]  # send() itself would wait for that, for seconds
            try:
                left = left[self.socket.send(left, socket.MSG_DONTWAIT) :] if writable else left
            except BlockingIOError:
                pass
            except OSError:
                return
            if not left or stillness.look() >= SETTLED or stillness.in_vain:
                return

    def expect(self, expected: bytes, awaiting: str) -> None:
        """Expect exactly these bytes next; ``awaiting`` says in the past tense what the client did for them."""
        waiting = Waiting(self, awaiting)
        while expected.startswith(self._buffer) and len(self._buffer) < len(expected) and not self._ended:
            self._receive(waiting)
        if not self._buffer.startswith(expected):
            raise self._different(expected, awaiting)
        del self._buffer[: len(expected)]

    def line(self, awaiting: str) -> bytes:
        """Expect a line, whatever it says; return it without its LF."""
        waiting = Waiting(self, f"expected {awaiting}")
        while b"\n" not in self._buffer and not self._ended:
            self._receive(waiting)
        if b"\n" not in self._buffer:
            raise self.wrong(f"{self.name} expected {awaiting}; {self.came()}")
        line, _, rest = bytes(self._buffer).partition(b"\n")
        self._buffer[:] = rest
        return line

    def expect_error(self, words: str, after: str) -> None:
        """Expect ``ERROR`` with these words, then a close; ``after`` says what was sent."""
        self.expect(f"ERROR {words}\n".encode(), f"{after} and expected ERROR {words}")
        self.expect_end(f"{after} and got its ERROR")

    def expect_end(self, after: str) -> None:
        """Expect that the server closes and sends nothing more: end of file, or a reset."""
        waiting = Waiting(self, f"{after}, and expected the server to close")
        while not self._ended and not self._buffer:
            self._receive(waiting)
        if self._buffer:
            raise self.wrong(f"{self.name} {after}, and expected a close; it got {shown(bytes(self._buffer))}")

    def expect_last_words(self, after: str) -> None:
        """Expect a close, at once or after an ERROR, which does no harm when the client no longer listens."""
        waiting = Waiting(self, f"{after}, and expected the server to close")
        while not self._ended:
            self._receive(waiting)
        if self._buffer and not self._buffer.startswith(b"ERROR "):
            raise self.wrong(f"{self.name} {after}, and expected a close; it got {shown(bytes(self._buffer))}")

    def has_come(self, within: float = 0.0, size: int = 1) -> bool:
        """Return whether ``size`` unexpected bytes or more have arrived; wait for any at most ``within`` seconds."""
        if not self._ended and len(self._buffer) < size:
            select.select([self.socket], [], [], within)
        self._take_all()
        return len(self._buffer) >= size

    def expect_nothing(self, why: str) -> None:
        """Expect that nothing has come once the server has worked on everything; ``why`` says why nothing should."""
        self.program.settle()
        if self.has_come():
            raise self.wrong(f"{self.name} got {shown(bytes(self._buffer))} too early: {why}")
        if self._ended:
            raise self.wrong(f"{self.name} was closed by the server (it {self._ended}): {why}")

    def read_slowly(self, expected: bytes, awaiting: str) -> None:
        """Expect these bytes, reading them from the kernel in small pieces."""
        position, size = 0, 1
        while position < len(expected):
            piece = expected[position : position + size]
            self._limit = size
            self.expect(piece, awaiting)
            position, size = position + size, min(size * 2, 3000)
        self._limit = RECEIVE_SIZE

    def send_last(self, data: bytes) -> None:
        """Send a few bytes and half-close, in one segment: MSG_MORE holds the bytes back until then (send(2))."""
        if data:
            self._transcript.sent(self.name, data)
            self._shut(lambda: self.socket.sendall(data, socket.MSG_MORE))
        self.half_close()

    def half_close(self) -> None:
        """Close the sending side; answers can still come."""
        self._transcript.note(self.name, "half-closes: it will send nothing more")
        self._shut(lambda: self.socket.shutdown(socket.SHUT_WR))

    def note(self, what: str) -> None:
        """Note in the transcript what this client does, if its bytes would be too many to show."""
        self._transcript.note(self.name, what)

    def close(self) -> None:
        """Close the connection in the ordinary way."""
        if self.socket.fileno() >= 0:
            self._transcript.note(self.name, "closes")
        self.socket.close()

    def reset(self) -> None:
        """Reset the connection, like a client that crashes or is cut off: SO_LINGER of 0 seconds (socket(7))."""
        self._transcript.note(self.name, "resets the connection")
        self._shut(lambda: self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0)))
        self.socket.close()

    @property
    def address(self) -> Address:
        """The client's own address."""
        return Address.of(socket.AF_INET, self.socket.getsockname())

    def wrong(self, message: str) -> Exception:
        """Return the error that fails a check, with what the kernel shows now."""
        if self._ended:
            self.program.settle()  # a dying server closes its connections before it has ended
            if self.program.ended is not None and "your program has ended" not in message:
                message += f". Your program has ended {self.program.ending}"
        evidence = "no process is left" if "program has ended" in message else self.program.explain(self.number)[1]
        return self._late() or WrongError(message, evidence)

    def in_vain(self, message: str) -> Exception:
        """Return the error for something that was awaited but did not come, with the bug that it suggests."""
        if late := self._late():
            return late
        suspicion, evidence = self.program.explain(self.number)
        return WrongError(f"{message}. {suspicion}" if suspicion else message, evidence)

    def _late(self) -> LateError | None:
        """Return an error when the server's limit on CONFIRM ran out because the judge was late to send it."""
        waited = (self._confirmed or time.monotonic()) - self._begun
        if waited > LATE and b"ERROR not confirmed" in self._buffer:
            return LateError(f"{self.name} confirmed only {waited:.1f} s after it had connected: the judge was late")
        return None

    # How it waits.

    _limit = RECEIVE_SIZE

    def _connect(self) -> None:
        self._transcript.note(self.name, "connects")
        self.socket.settimeout(PATIENCE)
        try:
            self.socket.connect(self.program.address.resolve()[0].sockaddr)
        except TimeoutError:
            raise self.in_vain(f"{self.name} could not connect: the accept queue is full") from None
        except OSError as error:
            self.program.settle()
            ended = f"; your program has ended {self.program.ending}" if self.program.ended is not None else ""
            reason = (error.strerror or str(error)).lower()
            raise self.wrong(f"{self.name} could not connect: {reason}{ended}") from error

    def _receive(self, waiting: "Waiting") -> None:
        readable = bool(select.select([self.socket], [], [], PAUSE)[0])
        if readable:
            self._take()
        waiting.look(moved=readable)

    def _take(self) -> None:
        try:
            data = self.socket.recv(self._limit, socket.MSG_DONTWAIT)
        except BlockingIOError:
            return
        except OSError as error:
            self._end(error)
            return
        if data:
            self._transcript.received(self.name, data)
            self._buffer += data
            if len(self._buffer) > MOST_KEPT:
                raise self.wrong(f"{self.name} got more than {MOST_KEPT} bytes that it had not asked for")
        else:
            self._end(None)

    def _take_all(self) -> None:
        while not self._ended and select.select([self.socket], [], [], 0)[0]:
            self._take()

    def _end(self, error: OSError | None) -> None:
        self._ended = "closed the connection" if error is None else "reset the connection"
        self._transcript.note(self.name, f"sees the end: the server {self._ended}")

    def came(self) -> str:
        """Return what has come so far, in words."""
        if self._ended:
            sent = f"sent {shown(bytes(self._buffer))}, then " if self._buffer else ""
            return f"the server {sent}{self._ended}"
        return f"only {shown(bytes(self._buffer))} came" if self._buffer else "nothing came"

    def _different(self, expected: bytes, awaiting: str) -> Exception:
        got = bytes(self._buffer)
        if got and not expected.startswith(got):
            self._transcript.mark(self.name, got, expected)
        came = self.came() if self._ended or expected.startswith(got) else f"it got {shown(got)}"
        return self.wrong(f"{self.name} {awaiting}; {came}")

    def _shut(self, how: Callable[[], None]) -> None:
        try:
            how()
        except OSError as error:
            self._end(error)


class Waiting:
    """A wait for one thing: each look decides whether the wait is still worthwhile."""

    def __init__(self, peer: Peer, awaiting: str) -> None:
        self._peer = peer
        self._awaiting = awaiting
        self._stillness = peer.program.stillness()
        self._patience = peer.program.patience
        self._looked = time.monotonic()
        self._end = self._looked + LONGEST / self._patience.divisor
        self._deadline = 0.0
        self._moved()

    def look(self, *, moved: bool) -> None:
        """Go on waiting, or raise WrongError. ``moved``: bytes have come or gone, so the patience starts over."""
        peer, now = self._peer, time.monotonic()
        if moved:
            self._moved()
        elif peer.program.ended is not None:
            raise peer.wrong(f"{peer.name} {self._awaiting}; your program has ended {peer.program.ending}")
        else:
            self._stillness.look()
            if self._stillness.rests or self._patience.restless:
                self._patience.waited += min(now - self._looked, 4 * PAUSE)
            if self._stillness.in_vain or now > self._deadline:
                raise peer.in_vain(f"{peer.name} {self._awaiting}; {peer.came()}")
        self._looked = now
        if now > self._end:
            raise peer.in_vain(f"{peer.name} {self._awaiting}; it took too long, and {peer.came()}")

    def _moved(self) -> None:
        self._stillness.begin_again()
        self._deadline = time.monotonic() + PATIENCE / self._patience.divisor

"""The confirmation protocol without I/O: both sides of a conversation as objects that never touch a socket.

::

    server> HELLO server=tcp://127.0.0.1:7000 client=tcp://127.0.0.1:51324 connection=7 worker=8622/8705
    client> CONFIRM 7
    client> any line
    server> its answer

Whoever owns the socket hands over the bytes that came and sends the bytes that are returned::

         bytes from recv()               bytes for send()
    ────────────────────────▶ receive() ────────────────────────▶      until `finished`: then close

so a thread that blocks, an event loop and a test without any socket drive the same object. TCP cuts its stream
of bytes wherever it likes: `receive` takes any piece, from half a line to many lines, and b"" for the end.

The server's side, state by state (every other input leaves the state as it is):

    state         input                      output                                      next state
    greeting      greet()                    HELLO … (without confirmation: nothing)     confirming
    confirming    CONFIRM and its number     -                                           established
    confirming    any other line             ERROR confirmation expected: CONFIRM 7      finished
    confirming    the end                    -                                           finished
    established   a line                     what the service answers                    established
    established   the end                    the answer to a last line without LF        finished
    any           65 536 bytes without LF    ERROR line longer than 65536 bytes          finished
    any           the end, when overdue      ERROR and what limit ran out                finished

An answer is computed when it is asked for: `receive` returns an iterable, so that the first of many answers can be
on its way before the last is known, and many long answers are never in memory at once. Exhaust it before the
next call.
"""

import logging
from collections import deque
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from threadserver.core.address import Address
from threadserver.core.errors import KitError
from threadserver.core.services import Service

MAX_LINE = 65_536
"""The longest line, in bytes, its LF included."""

FULL = b"ERROR server is full\n"
"""What a client gets instead of HELLO when there is no room, descriptor or worker for it."""

log = logging.getLogger("threadserver")


class ProtocolError(KitError):
    """The server broke the protocol, or said ERROR where a greeting or an answer was due."""


class RefusalError(ProtocolError):
    """The server said ERROR instead of HELLO."""


class ClosedError(ProtocolError):
    """The server closed the connection instead of saying HELLO."""


class Conversation:
    """The server's side of one connection."""

    __slots__ = (
        "_confirm",
        "_partial",
        "_plain",
        "_service",
        "answering",
        "client",
        "established",
        "finished",
        "number",
        "overdue",
        "received",
        "refused",
        "server",
    )

    def __init__(
        self, service: Service, number: int, server: Address, client: Address, *, confirm: bool = True
    ) -> None:
        self.number = number
        self.server = server
        self.client = client
        self.established = not confirm
        self.finished = False
        """True when nothing more will be answered: send what was returned, then close."""
        self.refused = False
        """True when an ERROR ended it, so that input may lie unread."""
        self.answering = False
        """True while the service works: a client that waits for it is not idle."""
        self.received = 0
        """How many pieces have been received. Who watches for idle clients sees whether it has moved."""
        self.overdue = ""
        """Which limit ran out, set from outside; the next end of input is then answered with this ERROR."""
        self._confirm = confirm
        self._service = service
        self._partial = bytearray()
        self._plain = self.established  # established, and no partial line is kept

    def greet(self, worker: str) -> bytes:
        """Say HELLO on behalf of ``worker``, the task that serves: ``PID`` or ``PID/TID``."""
        if not self._confirm:
            return b""
        return f"HELLO server={self.server} client={self.client} connection={self.number} worker={worker}\n".encode()

    def receive(self, data: bytes) -> Iterable[bytes]:
        """Take the bytes that came, b"" for the end, and give the pieces to send, each when it is ready."""
        self.received += 1
        end = len(data) - 1
        if self._plain and data.find(b"\n") == end and 0 <= end < MAX_LINE:  # one whole line: what most clients send
            answer = self._answer(data[:-1], b"\n")
            return (answer,) if answer else ()
        return self._receive_pieces(data)

    def _receive_pieces(self, data: bytes) -> Iterator[bytes]:
        if not data:
            yield from self._end()
            return
        first, *others = data.split(b"\n")
        self._partial += first
        for following in others:
            if len(self._partial) >= MAX_LINE:
                break
            line = bytes(self._partial)
            self._partial[:] = following
            if not self.established:
                yield from self._confirmation(line)
            elif answer := self._answer(line, b"\n"):
                yield answer
            if self.finished:
                return
        if len(self._partial) >= MAX_LINE:
            yield self._refuse(f"line longer than {MAX_LINE} bytes")
        self._plain = self.established and not self._partial

    def _confirmation(self, line: bytes) -> Iterator[bytes]:
        if line.split() == [b"CONFIRM", b"%d" % self.number]:
            self.established = True
        else:
            yield self._refuse(f"confirmation expected: CONFIRM {self.number}")

    def _end(self) -> Iterator[bytes]:
        if self.overdue:
            yield self._refuse(self.overdue)
        elif self.established and self._partial and (answer := self._answer(bytes(self._partial), b"")):
            yield answer
        self.finished = True

    def _answer(self, line: bytes, ending: bytes) -> bytes:
        self.answering = True
        try:
            answer = self._service(line)
            return b"" if answer is None else answer + ending
        except (Exception, SystemExit) as error:
            log.exception("connection %d: the service failed (it takes bytes, and returns bytes or None)", self.number)
            return b"ERROR service failed: %s\n" % type(error).__name__.encode()
        finally:
            self.answering = False

    def _refuse(self, why: str) -> bytes:
        self.finished = self.refused = True
        return f"ERROR {why}\n".encode()


@dataclass(frozen=True)
class Hello:
    """What a server says of a connection: its description of the socket."""

    server: str
    client: str
    connection: int
    worker: str

    @classmethod
    def parse(cls, line: bytes) -> "Hello":
        """Read a HELLO line. Raises ProtocolError when it is another one."""
        word, _, pairs = line.decode("utf-8", "replace").partition(" ")
        fields = dict(pair.partition("=")[::2] for pair in pairs.split())
        described = word == "HELLO" and {"server", "client", "connection", "worker"} <= fields.keys()
        if not described or not fields["connection"].isdecimal():
            raise ProtocolError(f"expected HELLO, the server said {shown(line)}")
        return cls(fields["server"], fields["client"], int(fields["connection"]), fields["worker"])


class ClientConversation:
    """The client's side of one connection: confirms the HELLO, then cuts the stream into answers."""

    def __init__(self, *, confirm: bool = True) -> None:
        self.hello: Hello | None = None
        self.established = not confirm
        self.finished = False
        """True when the server has said its last."""
        self.answers: deque[bytes] = deque()
        """Answers that came, without their LF, oldest first."""
        self._partial = bytearray()

    def receive(self, data: bytes) -> bytes:
        """Take the bytes that came, b"" for the end, and give the bytes to send.

        Raises ProtocolError when the first line is no HELLO, or a line is longer than a line can be.
        """
        if not data:
            return self._end()
        first, *others = data.split(b"\n")
        self._partial += first
        reply = b""
        for following in others:
            line = bytes(self._partial)
            self._partial[:] = following
            if self.established:
                self.answers.append(line)
            else:
                reply = self._confirmation(line)
        if len(self._partial) >= MAX_LINE:
            raise ProtocolError(f"the server sent a line longer than {MAX_LINE} bytes")
        return reply

    def _confirmation(self, line: bytes) -> bytes:
        if line.startswith(b"ERROR"):
            raise RefusalError(f"the server said {shown(line)}")
        self.hello = Hello.parse(line)
        self.established = True
        return b"CONFIRM %d\n" % self.hello.connection

    def _end(self) -> bytes:
        self.finished = True
        if not self.established:
            raise ClosedError("the server closed the connection without a HELLO")
        if self._partial:
            self.answers.append(bytes(self._partial))
            self._partial.clear()
        return b""


def shown(line: bytes, most: int = 60) -> str:
    """Show bytes to a person in one short line: ``'ERROR server is full'``."""
    text = repr(line[:most].decode("utf-8", "backslashreplace"))
    return text if len(line) <= most else f"{text}… ({len(line)} bytes)"

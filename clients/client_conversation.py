"""The client's side of the confirmation protocol, without I/O: confirm the HELLO, then split the stream into answers.

The server's side, and the protocol itself, are in `threadserver.core.conversation`.
"""

from collections import deque
from dataclasses import dataclass

from threadserver.core.conversation import MAX_LINE
from threadserver.core.errors import KitError


class ProtocolError(KitError):
    """The server broke the protocol, or sent ERROR where a greeting or an answer was due."""


class RefusalError(ProtocolError):
    """The server sent ERROR instead of HELLO."""


class ClosedError(ProtocolError):
    """The server closed the connection instead of sending HELLO."""


@dataclass(frozen=True)
class Hello:
    """How a server describes a connection."""

    server: str
    client: str
    connection: int
    worker: str

    @classmethod
    def parse(cls, line: bytes) -> "Hello":
        """Read a HELLO line. Raises ProtocolError when it is something else."""
        word, _, pairs = line.decode("utf-8", "replace").partition(" ")
        fields = dict(pair.partition("=")[::2] for pair in pairs.split())
        described = word == "HELLO" and {"server", "client", "connection", "worker"} <= fields.keys()
        if not described or not fields["connection"].isdecimal():
            raise ProtocolError(f"expected HELLO, but the server sent {shown(line)}")
        return cls(fields["server"], fields["client"], int(fields["connection"]), fields["worker"])


class ClientConversation:
    """The client's side of one connection."""

    def __init__(self, *, confirm: bool = True) -> None:
        self.hello: Hello | None = None
        self.established = not confirm
        self.finished = False
        """True when the server has ended its side."""
        self.answers: deque[bytes] = deque()
        """Answers that have arrived, without their LF, oldest first."""
        self._partial = bytearray()

    def receive(self, data: bytes) -> bytes:
        """Take the bytes that arrived, b"" for the end, and return the bytes to send.

        Raises ProtocolError when the first line is not a HELLO, or when a line is longer than MAX_LINE.
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
            raise RefusalError(f"the server sent {shown(line)}")
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
    """Return bytes as one short line for a person: ``'ERROR server is full'``."""
    text = repr(line[:most].decode("utf-8", "backslashreplace"))
    return text if len(line) <= most else f"{text}… ({len(line)} bytes)"

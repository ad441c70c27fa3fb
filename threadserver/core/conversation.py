"""The confirmation protocol without I/O: the server's side of one connection, as an object that never touches a socket.

::

    server> HELLO server=tcp://127.0.0.1:7000 client=tcp://127.0.0.1:51324 connection=7 worker=8622/8705
    client> CONFIRM 7
    client> any line
    server> its answer

The owner of the socket passes in the bytes that arrive, and sends the bytes that come back::

         bytes from recv()               bytes for send()
    ────────────────────────▶ receive() ────────────────────────▶      until `finished`: then close

So a blocking thread, an event loop and a test without a socket all drive the same object. TCP may cut its stream of
bytes anywhere: `receive` takes any piece, from half a line to many lines, and b"" for the end of input.

`greet` says HELLO. From then on the input decides what is sent and which state comes next. `TRANSITIONS` holds this
table as data, and the conversation follows it:

    state        input                      output                                     next state
    CONFIRMING   CONFIRM and its number     -                                          ESTABLISHED
    CONFIRMING   any other line             ERROR confirmation expected: CONFIRM 7     REFUSED
    CONFIRMING   the end                    -                                          FINISHED
    CONFIRMING   65 536 bytes without LF    ERROR line longer than 65536 bytes         REFUSED
    CONFIRMING   a time-out, then the end   ERROR not confirmed within 5 s             REFUSED
    ESTABLISHED  a line                     the service's answer                       ESTABLISHED
    ESTABLISHED  the end                    the answer to a last line without LF       FINISHED
    ESTABLISHED  65 536 bytes without LF    ERROR line longer than 65536 bytes         REFUSED
    ESTABLISHED  a time-out, then the end   ERROR idle for 300 s                       REFUSED

`receive` returns an iterable and computes each answer only when it is asked for. So the first of many answers can be
on its way before the last is known, and memory never holds many long answers at once. Exhaust it before the next call.
The idea of a protocol without I/O, and of its states as data, is from h11 (h11/_state.py).
"""

import logging
from collections.abc import Iterable, Iterator
from enum import Enum

from threadserver.core.address import Address
from threadserver.core.services import Service

MAX_LINE = 65_536
"""The longest line, in bytes, its LF included."""

FULL = b"ERROR server is full\n"
"""What a client gets instead of HELLO when there is no room, descriptor or worker for it."""

log = logging.getLogger("threadserver")


class State(Enum):
    """How far a conversation has come."""

    CONFIRMING = "waits for the client's CONFIRM"
    ESTABLISHED = "answers lines"
    FINISHED = "over: the client has ended"
    REFUSED = "over: ended by an ERROR, so input may be unread"


class Input(Enum):
    """What can arrive."""

    CONFIRM = "CONFIRM and its number"
    OTHER_LINE = "any other line"
    LINE = "a line"
    END = "the end"
    TOO_LONG = "65 536 bytes without LF"
    TIMEOUT = "a time-out, then the end"


CONFIRMING, ESTABLISHED, FINISHED, REFUSED = State

TRANSITIONS: dict[State, dict[Input, State]] = {
    CONFIRMING: {
        Input.CONFIRM: ESTABLISHED,
        Input.OTHER_LINE: REFUSED,
        Input.END: FINISHED,
        Input.TOO_LONG: REFUSED,
        Input.TIMEOUT: REFUSED,
    },
    ESTABLISHED: {
        Input.LINE: ESTABLISHED,
        Input.END: FINISHED,
        Input.TOO_LONG: REFUSED,
        Input.TIMEOUT: REFUSED,
    },
}


class Conversation:
    """The server's side of one connection."""

    __slots__ = (
        "_confirm", "_partial", "_service",
        "answering", "client", "finished", "number", "overdue", "received", "server", "state",
    )  # fmt: skip

    def __init__(
        self, service: Service, number: int, server: Address, client: Address, *, confirm: bool = True
    ) -> None:
        self.number = number
        self.server = server
        self.client = client
        self.state = CONFIRMING if confirm else ESTABLISHED
        self.finished = False
        """True when nothing more will be answered: send what was returned, then close. It follows from the state, but
        is stored, because a worker asks before each recv()."""
        self.answering = False
        """True while the service works: a client that waits for its answer is not idle."""
        self.received = 0
        """How many pieces have arrived. A client is idle while this does not change."""
        self.overdue = ""
        """The time-out that ran out, set from outside; the next end of input is then answered with this ERROR."""
        self._confirm = confirm
        self._service = service
        self._partial = bytearray()

    @property
    def established(self) -> bool:
        """False while the client's CONFIRM is awaited."""
        return self.state is not CONFIRMING

    @property
    def refused(self) -> bool:
        """True when an ERROR ended the conversation, so that input may be unread."""
        return self.state is REFUSED

    def greet(self, worker: str) -> bytes:
        """Return the HELLO of ``worker``, the task that serves: ``PID`` or ``PID/TID``. Empty without confirmation."""
        if not self._confirm:
            return b""
        return f"HELLO server={self.server} client={self.client} connection={self.number} worker={worker}\n".encode()

    def receive(self, data: bytes) -> Iterable[bytes]:
        """Take the bytes that arrived, b"" for the end, and return the pieces to send, each when it is ready."""
        self.received += 1
        end = len(data) - 1
        if data.find(b"\n") == end and self.state is ESTABLISHED and not self._partial and 0 <= end < MAX_LINE:
            answer = self._answer(data[:-1], b"\n")  # one whole line: what most clients send
            return (answer,) if answer else ()
        return self._receive_pieces(data)

    def _receive_pieces(self, data: bytes) -> Iterator[bytes]:
        if self.finished:
            return
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
            if self.established:
                if answer := self._answer(line, b"\n"):
                    yield answer
            elif line.split() == [b"CONFIRM", b"%d" % self.number]:
                self._advance(Input.CONFIRM)
            else:
                yield self._refuse(Input.OTHER_LINE, f"confirmation expected: CONFIRM {self.number}")
            if self.finished:
                return
        if len(self._partial) >= MAX_LINE:
            yield self._refuse(Input.TOO_LONG, f"line longer than {MAX_LINE} bytes")

    def _end(self) -> Iterator[bytes]:
        if self.overdue:
            yield self._refuse(Input.TIMEOUT, self.overdue)
            return
        if self.established and self._partial and (answer := self._answer(bytes(self._partial), b"")):
            yield answer
        self._advance(Input.END)

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

    def _refuse(self, arrived: Input, why: str) -> bytes:
        self._advance(arrived)
        return f"ERROR {why}\n".encode()

    def _advance(self, arrived: Input) -> None:
        self.state = TRANSITIONS[self.state][arrived]
        self.finished = self.state not in TRANSITIONS

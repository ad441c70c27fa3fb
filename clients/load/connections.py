"""The connections of one event loop: connecting, HELLO, answers in pieces, loss.

The hot path is in the loops (`closed_loop`, `open_loop`): read, compare with the answer that is due, count, ask again.
It asks one question: are these bytes the answer that is due? Everything else is rare and is handled here: half an
answer, a HELLO, an ERROR, the end, a full buffer. So the loops need no states::

                 ┌──────────────── the loop ─────────────────┐
    epoll ──▶ read() ──▶ the answer that is due? ──yes──▶ count, ask again
                 │                  │ no
                 │ OSError          ▼
                 └──▶ call_failed   other_bytes

A connection is its descriptor, and lists hold its data at that index: nothing is faster in Python.
"""

import errno
import os
import select
import socket
from collections import Counter
from contextlib import suppress
from time import perf_counter_ns

from threadserver.clients.client_conversation import Hello, ProtocolError
from threadserver.clients.load import error_kinds
from threadserver.clients.load.buckets import FOLD, Buckets
from threadserver.clients.load.load_requests import Requests
from threadserver.clients.load.plan import Plan
from threadserver.core.address import Endpoint
from threadserver.core.conversation import FULL, MAX_LINE

TICK = 0.05
"""Seconds after which a loop checks the clock even if nothing happens."""
CONNECTING_AT_ONCE = 64
"""Connections in progress at once: more would overflow a short backlog, and each would wait a second to retry."""
PATIENCE = 0.1
"""Seconds after which a connection in progress counts as delayed by the server, so that the next one may start."""
RARE_READ_SIZE = 512
"""Bytes to read at once outside the hot path: enough for a HELLO."""


class StoppedError(Exception):
    """The loop must end now: its parent said so, or no connection is left."""


class Connections:
    """Connections to one server, with their answers and errors. Loops subclass it.

    ``control`` is a descriptor that becomes readable when the loop must stop.
    """

    def __init__(self, plan: Plan, endpoint: Endpoint, control: int) -> None:
        self.plan = plan
        self.endpoint = endpoint
        self.control = control
        self.requests = Requests(plan)
        self.read_size = min(self.requests.answer_size + 1, MAX_LINE)
        """One byte more than is due, so that an answer that is too long shows."""
        self.poll = select.epoll()
        self.expected: list[bytes | None] = []
        """The answer that is due, or None."""
        self.since: list[int] = []
        """When that answer became due, in nanoseconds of the monotonic clock."""
        self.answered: list[int] = []
        """Number of right answers."""
        self.open: set[int] = set()
        self.ungreeted: set[int] = set()
        """Open connections that are still waiting for their HELLO, or to be established."""
        self.unready: set[int] = set()
        """Open connections that `connect` waits for."""
        self.made: set[int] = set()
        """Every connection ever made."""
        self.partial: dict[int, bytes] = {}
        self.unsent: dict[int, bytes] = {}
        self.latencies = Buckets()
        self.errors: Counter[str] = Counter()
        self.asking = False
        """Whether the next request follows an answer."""
        self._make_room(control)
        self.poll.register(control, select.EPOLLIN)

    # What each loop defines.

    def ready(self, fd: int, now: int) -> None:
        """Handle a connection that has just been established."""
        self.unready.discard(fd)
        if self.asking:
            self.ask(fd, now)

    def right(self, fd: int, now: int) -> None:
        """Count a right answer, and go on."""
        raise NotImplementedError

    def wrong(self, fd: int, now: int) -> None:
        """Go on after a wrong answer, which is already counted."""
        raise NotImplementedError

    def lost(self, fd: int) -> None:  # noqa: ARG002
        """Go on after the loss of a connection. Raises StoppedError when it was the last one."""
        if self.asking and not self.open:
            raise StoppedError

    # Making connections.

    def connect(self, count: int) -> None:
        """Make connections until each is ready or has failed, or until none makes progress for the plan's timeout."""
        begun, progress, last = 0, (0, 0), perf_counter_ns()
        while begun < count or self.unready:
            now = perf_counter_ns()
            if progress != (progress := (begun, len(self.unready))):
                last = now
            if now > last + self.plan.timeout * 1e9:
                break
            room = CONNECTING_AT_ONCE - sum(now < self.since[fd] + PATIENCE * 1e9 for fd in self.unready)
            with suppress(BlockingIOError):  # the backlog of a Unix socket is full
                for _ in range(min(room, count - begun)):
                    self.dial(now)
                    begun += 1
            self.poll_once(TICK if begun == count else PATIENCE / 10)
        self.errors[error_kinds.NOT_CONNECTED] += count - begun
        for fd in self.unready:
            self.errors[self.missing(fd)] += 1

    def missing(self, fd: int) -> str:
        """Return the error kind for what an open connection did not get in time."""
        if fd not in self.ungreeted:
            return error_kinds.TIMEOUT
        with socket.socket(fileno=os.dup(fd)) as connection, suppress(OSError):
            connection.getpeername()
            return error_kinds.NO_HELLO
        return error_kinds.NOT_CONNECTED

    def dial(self, now: int) -> int | None:
        """Start a connection; return its descriptor, or None when it failed at once.

        Raises BlockingIOError when the backlog of a Unix socket is full: TCP would retry by itself.
        """
        try:
            connection = socket.socket(*self.endpoint[:3])
        except OSError as error:
            self.errors[error_kinds.kind(error)] += 1
            return None
        connection.setblocking(False)
        if self.endpoint.family != socket.AF_UNIX:
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        code = connection.connect_ex(self.endpoint.sockaddr)
        if code not in (0, errno.EINPROGRESS):
            connection.close()
            if code == errno.EAGAIN:
                raise BlockingIOError(code, "backlog full")
            self.errors[error_kinds.kind(OSError(code, ""))] += 1
            return None
        fd = connection.detach()
        self._make_room(fd)
        self.expected[fd], self.since[fd] = None, now
        for state in (self.open, self.ungreeted, self.unready, self.made):
            state.add(fd)
        self.poll.register(fd, select.EPOLLIN if self.plan.confirm else select.EPOLLIN | select.EPOLLOUT)
        return fd

    def _make_room(self, fd: int) -> None:
        while len(self.expected) <= fd:
            self.expected.append(None)
            self.since.append(0)
            self.answered.append(0)

    # Everything but a whole answer.

    def poll_once(self, seconds: float) -> None:
        """Wait up to ``seconds``, then handle all events, off the hot path."""
        for fd, _ in self.poll.poll(seconds):
            try:
                self.other_bytes(fd, os.read(fd, max(self.read_size, RARE_READ_SIZE)), perf_counter_ns())
            except OSError as error:
                self.call_failed(fd, error, perf_counter_ns())
        if len(self.latencies.latest) >= FOLD:
            self.latencies.fold()

    def other_bytes(self, fd: int, data: bytes, now: int) -> None:
        """Handle bytes that are not, or may not be, the whole answer that is due."""
        if fd == self.control:
            raise StoppedError
        if not data:
            self.lose(fd, error_kinds.CLOSED)
            return
        data = self.partial.pop(fd, b"") + data
        if fd in self.ungreeted and self.plan.confirm:
            self._greeting(fd, data, now)
        elif (due := self.expected[fd]) is None:
            self.lose(fd, error_kinds.ERROR_LINE if data.startswith(b"ERROR") else error_kinds.WRONG)
        elif self.requests.is_right(data, due):
            self.complete(fd, now)
        elif self._is_partial(data, due):
            self.partial[fd] = data
        else:
            self._refused(fd, data, now)

    def complete(self, fd: int, now: int) -> None:
        """Take the answer that was due: an echo server returns the answers of sleep and spin too, but too early."""
        if now - self.since[fd] < self.requests.least:
            self.errors[error_kinds.EARLY] += 1
            self.wrong(fd, now)
        else:
            self.right(fd, now)

    @staticmethod
    def _is_partial(data: bytes, due: bytes) -> bool:
        return b"\n" not in data and len(data) < (MAX_LINE if data.startswith(b"ERROR"[: len(data)]) else len(due))

    def _refused(self, fd: int, data: bytes, now: int) -> None:
        kind = error_kinds.ERROR_LINE if data.startswith(b"ERROR") else error_kinds.WRONG
        if data.find(b"\n") == len(data) - 1:  # one whole line: the next answer will begin where it should
            self.errors[kind] += 1
            self.wrong(fd, now)
        else:
            self.lose(fd, kind)

    def _greeting(self, fd: int, data: bytes, now: int) -> None:
        line, end, more = data.partition(b"\n")
        if not end and len(data) < MAX_LINE:
            self.partial[fd] = data
        elif data == FULL:
            self.lose(fd, error_kinds.FULL)
        elif line.startswith(b"ERROR"):
            self.lose(fd, error_kinds.ERROR_LINE)
        else:
            self._confirm(fd, line, more, now)

    def _confirm(self, fd: int, line: bytes, more: bytes, now: int) -> None:
        try:
            hello = Hello.parse(line)
        except ProtocolError:
            self.lose(fd, error_kinds.BAD_HELLO)
            return
        if more:
            self.lose(fd, error_kinds.WRONG)
            return
        self.send(fd, b"CONFIRM %d\n" % hello.connection)
        if fd in self.open:
            self.ungreeted.discard(fd)
            self.ready(fd, now)

    def call_failed(self, fd: int, error: OSError, now: int) -> None:
        """Handle a failed call on a connection: usually there is just nothing to read."""
        if not isinstance(error, BlockingIOError):
            self.lose(fd, error_kinds.kind(error))
        elif fd in self.unsent:
            self.poll.modify(fd, select.EPOLLIN)
            self.send(fd, self.unsent.pop(fd))
        elif fd in self.ungreeted and not self.plan.confirm:  # now writable, so it is connected
            self.poll.modify(fd, select.EPOLLIN)
            self.ungreeted.discard(fd)
            self.ready(fd, now)

    # Asking.

    def ask(self, fd: int, now: int) -> None:
        """Send the next request; its latency counts from ``now``."""
        self.expected[fd] = due = self.requests.next()
        self.since[fd] = now
        self.send(fd, self.requests.question or due)

    def send(self, fd: int, data: bytes) -> None:
        """Send bytes; those that do not fit are sent when there is room."""
        try:
            sent = os.write(fd, data)
        except BlockingIOError:
            sent = 0
        except OSError as error:
            self.lose(fd, error_kinds.kind(error))
            return
        if sent < len(data):
            self.buffer(fd, data[sent:])

    def buffer(self, fd: int, data: bytes) -> None:
        """Keep bytes until the socket has room for them."""
        self.unsent[fd] = self.unsent.get(fd, b"") + data
        self.poll.modify(fd, select.EPOLLIN | select.EPOLLOUT)

    # The end.

    def lose(self, fd: int, kind: str) -> None:
        """Close a connection that is no longer usable, and count the error."""
        self.errors[kind] += 1
        self.close(fd)
        self.lost(fd)

    def close(self, fd: int) -> None:
        """Close a connection, and forget its pending answer."""
        with suppress(OSError):
            self.poll.unregister(fd)
        os.close(fd)
        for state in (self.open, self.ungreeted, self.unready):
            state.discard(fd)
        self.expected[fd] = None
        self.partial.pop(fd, None)
        self.unsent.pop(fd, None)

    @property
    def owed(self) -> int:
        """Number of answers that are due."""
        return sum(self.expected[fd] is not None for fd in self.open)

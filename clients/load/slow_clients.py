"""Slow clients, which make a server wait: every other one sends half a line, the rest do not read their answers.

They are blocking clients in threads of a separate process, so that they slow the fast clients down only through the
server. Both kinds go on after a pause and take their answers: slow, but not an attack. A client that does not read
fills the buffers of both sides, with at most four megabytes; a server that blocks in send() then waits until that
client reads.
"""

import socket
from collections import Counter
from itertools import islice
from threading import Event, Thread
from time import monotonic, perf_counter_ns

from threadserver.clients.client import Client, DisconnectedError
from threadserver.clients.client_conversation import ProtocolError
from threadserver.clients.load import error_kinds
from threadserver.clients.load.buckets import Buckets
from threadserver.clients.load.load_requests import random_lines
from threadserver.clients.load.plan import Plan
from threadserver.core.errors import KitError

PAUSE = 0.2
"""Seconds that a slow client makes the server wait."""
UNREAD_LINE = 32_768
UNREAD_LINES = 128
PATIENCE = 2.0
"""Least number of seconds to finish the current request at the end: it may be four megabytes long."""
START = 1.0
"""Seconds to wait for slow clients to be greeted."""


class SlowClients:
    """A group of slow clients; they start at once."""

    def __init__(self, plan: Plan, count: int) -> None:
        self._stopping = Event()
        self._patience = max(plan.timeout, PATIENCE)
        self._clients = [_SlowClient(plan, number, self._stopping) for number in range(count)]
        for client in self._clients:
            client.start()
        deadline = monotonic() + START
        for client in self._clients:
            client.started.wait(max(0.0, deadline - monotonic()))

    @property
    def connected(self) -> int:
        """Number of slow clients that are greeted and still connected."""
        return sum(client.connected for client in self._clients)

    def stop(self) -> None:
        """Tell the clients to leave after their current request, and wait for that, up to a limit."""
        self._stopping.set()
        deadline = monotonic() + self._patience
        for client in self._clients:
            client.join(max(0.0, deadline - monotonic()))
            if client.is_alive():
                client.error = error_kinds.TIMEOUT if client.connected else error_kinds.NO_HELLO

    @property
    def latencies(self) -> Buckets:
        """Latencies of all slow clients."""
        total = Buckets()
        for client in self._clients:
            total.latest.extend(client.latencies)
        total.fold()
        return total

    @property
    def errors(self) -> Counter[str]:
        """Errors by kind."""
        return Counter(client.error for client in self._clients if client.error)


class _SlowClient(Thread):
    def __init__(self, plan: Plan, number: int, stopping: Event) -> None:
        super().__init__(name=f"slow client {number}", daemon=True)
        self.plan = plan
        self.stopping = stopping
        self.started = Event()
        self.connected = False
        self.latencies: list[int] = []
        self.error: str | None = None
        self._ask = self._send_half if number % 2 == 0 else self._leave_unread
        size = max(2, plan.payload) if number % 2 == 0 else UNREAD_LINE
        self._lines = [line.removesuffix(b"\n") for line in islice(random_lines(size, plan.seed + number), 8)]

    def run(self) -> None:
        try:
            with Client(self.plan.address, confirm=self.plan.confirm, timeout=self.plan.timeout) as client:
                self.connected = True
                self._run_slow_clients(client)
        except (KitError, OSError, _WrongError) as error:
            self.error = _kind(error)
        finally:
            self.connected = False
            self.started.set()

    def _run_slow_clients(self, client: Client) -> None:
        client.socket.settimeout(None)
        while not self.stopping.is_set():
            began = perf_counter_ns()
            self._ask(client)
            self.latencies.append(perf_counter_ns() - began)

    def _pause(self) -> None:
        self.started.set()
        self.stopping.wait(PAUSE)

    def _send_half(self, client: Client) -> None:
        line = self._lines[len(self.latencies) % len(self._lines)]
        half = len(line) // 2 + 1
        client.socket.sendall(line[:half])
        self._pause()
        client.send(line[half:])
        self._take(client, line)

    def _leave_unread(self, client: Client) -> None:
        lines = [self._lines[number % len(self._lines)] for number in range(UNREAD_LINES)]
        stream = b"".join(line + b"\n" for line in lines)
        sent = self._fill(client, stream)
        self._pause()
        whole, part = divmod(sent, UNREAD_LINE)
        for line in lines[:whole]:
            self._take(client, line)
        if part:  # only now does the server certainly read on
            client.send(lines[whole][part:])
            self._take(client, lines[whole])

    @staticmethod
    def _fill(client: Client, stream: bytes) -> int:
        """Send until the buffers are full; return the number of bytes sent."""
        sent = 0
        try:
            while sent < len(stream):
                sent += client.socket.send(stream[sent : sent + UNREAD_LINE], socket.MSG_DONTWAIT)
        except BlockingIOError:
            pass
        return sent

    def _take(self, client: Client, line: bytes) -> None:
        answer = client.receive()
        if answer is None:
            raise DisconnectedError
        if answer != line:
            raise _WrongError(error_kinds.ERROR_LINE if answer.startswith(b"ERROR") else error_kinds.WRONG)


class _WrongError(Exception):
    """A wrong answer; the text is the error kind."""


def _kind(error: Exception) -> str:
    """Return the error kind of a failure: the kernel's error is the cause of the client's own."""
    cause = error.__cause__ or error
    match cause:
        case _WrongError():
            return str(cause)
        case TimeoutError():
            return error_kinds.NO_HELLO
        case OSError():
            return error_kinds.kind(cause)
        case ProtocolError():
            return error_kinds.FULL if "is full" in str(cause) else error_kinds.BAD_HELLO
    return error_kinds.CLOSED

"""Churn: each client connects, asks once, closes, and starts over. It shows what a new connection costs a server."""

from time import perf_counter_ns
from typing import Any

from threadserver.clients.load.connections import TICK
from threadserver.clients.load.load_loop import Loop

RETRY_DELAY = 0.005
"""Seconds that a client waits after a failure, so that it does not hammer the server."""


class Churn(Loop):
    """Clients that each make one connection after another; latency counts from connecting."""

    def __init__(self, *arguments: Any, clients: int) -> None:  # noqa: ANN401
        super().__init__(*arguments)
        self.served = [0] * clients
        self.resting = list(range(clients))
        """Clients without a connection."""
        self.wake_at = 0
        self.client: dict[int, int] = {}

    def connect(self, count: int) -> None:
        """Make no connection in advance."""

    def start(self, now: int) -> None:
        """Connect every client."""
        self._wake(now)

    def drive(self, until: int) -> None:
        """Connect, ask and close until ``until``."""
        while (now := perf_counter_ns()) < until:
            if self.resting and now >= self.wake_at:
                self._wake(now)
            self.poll_once(min(RETRY_DELAY if self.resting else TICK, (until - now) / 1e9))

    def _wake(self, now: int) -> None:
        self.wake_at = now + int(RETRY_DELAY * 1e9)
        resting, self.resting = self.resting, []
        for client in resting:
            self._begin(client)

    def _begin(self, client: int) -> None:
        try:
            fd = self.dial(perf_counter_ns())
        except BlockingIOError:
            fd = None
        if fd is None:
            self.resting.append(client)
        else:
            self.client[fd] = client

    def ready(self, fd: int, now: int) -> None:  # noqa: ARG002
        """Send the request; the latency already counts from connecting."""
        self.ask(fd, self.since[fd])

    def right(self, fd: int, now: int) -> None:
        """Count the connection, close it, and make the next one."""
        self.latencies.latest.append(now - self.since[fd])
        client = self.client[fd]
        self.served[client] += 1
        self.close(fd)
        if self.asking:
            self._begin(client)

    def wrong(self, fd: int, now: int) -> None:  # noqa: ARG002
        """Close the connection; the error is already counted."""
        self.close(fd)
        self.lost(fd)

    def lost(self, fd: int) -> None:
        """Let the client rest."""
        self.resting.append(self.client[fd])

    def drain(self, give_up: int) -> None:
        """Wait for the connections that are still open."""
        while self.open and perf_counter_ns() < give_up:
            self.poll_once(TICK)
        self.kept = len(self.served) - len(self.open)
        for fd in self.open:
            self.errors[self.missing(fd)] += 1

    def answer_counts(self) -> list[int]:
        """Return the number of connections served so far, for each client."""
        return self.served.copy()

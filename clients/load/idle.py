"""Idle: connections that had one answer and are then held. They show what an open connection costs a server."""

from time import perf_counter_ns

from threadserver.clients.load.connections import TICK
from threadserver.clients.load.load_loop import Loop


class Idle(Loop):
    """Connections that stay silent."""

    def ready(self, fd: int, now: int) -> None:
        """Ask once, so that the server has allocated everything it needs for a client."""
        self.ask(fd, now)

    def right(self, fd: int, now: int) -> None:  # noqa: ARG002
        """Stay silent from now on."""
        self.expected[fd] = None
        self.unready.discard(fd)

    def wrong(self, fd: int, now: int) -> None:  # noqa: ARG002
        """Close a connection with a wrong answer; the error is already counted."""
        self.close(fd)

    def start(self, now: int) -> None:
        """Send no request."""

    def drive(self, until: float) -> None:
        """Hold the connections until ``until``, and notice which ones the server closes."""
        while (left := until - perf_counter_ns()) > 0:
            self.poll_once(min(TICK, left / 1e9))

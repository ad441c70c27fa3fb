"""Idle: connections that were answered once, and are held. What it costs a server to know somebody."""

from time import perf_counter_ns

from threadserver.clients.load.connections import TICK
from threadserver.clients.load.load_loop import Loop


class Idle(Loop):
    """Connections that say nothing."""

    def ready(self, fd: int, now: int) -> None:
        """Ask once, so that the server has set aside all that it sets aside for a client."""
        self.ask(fd, now)

    def right(self, fd: int, now: int) -> None:  # noqa: ARG002
        """Be silent from now on."""
        self.expected[fd] = None
        self.unready.discard(fd)

    def wrong(self, fd: int, now: int) -> None:  # noqa: ARG002
        """Close a connection that was not answered as it should be: it has been counted as an error."""
        self.close(fd)

    def start(self, now: int) -> None:
        """Ask nothing."""

    def drive(self, until: float) -> None:
        """Hold them until then, and notice which are closed."""
        while (left := until - perf_counter_ns()) > 0:
            self.poll_once(min(TICK, left / 1e9))

"""Open loop: requests are due at a fixed rate, whatever the server does, as from people who know nothing of it.

The requests take turns on the connections: with n connections, request number k is the business of connection k mod n,
and is due k/rate seconds after the start. A connection that still waits for an answer is late with its next request,
and the latency of that one counts from when it was due, not from when it could be sent. So a server that stalls for a
second spoils a second's worth of requests, as it would in the world, and not one for each connection. (G. Tene called
leaving them out coordinated omission, and wrote wrk2 to show it.)
"""

import os
import select
from time import perf_counter_ns
from typing import Any

from clients.load import errors
from clients.load.buckets import FOLD, Buckets
from clients.load.connections import StoppedError
from clients.load.loop import Loop


class OpenLoop(Loop):
    """Requests ``interval`` nanoseconds apart, the first one ``offset`` intervals after the start."""

    lateness: Buckets

    def __init__(self, *arguments: Any, interval: float, offset: float = 0.0) -> None:  # noqa: ANN401
        super().__init__(*arguments)
        self.interval = interval
        self.offset = offset
        self.lateness = Buckets()
        self.passed = 0
        """How many turns have been due."""
        self.turn: dict[int, int] = {}
        """The turn that a connection is at: asked already, or to be asked when it is due."""

    def start(self, now: int) -> None:
        """Begin the schedule."""
        self.order = sorted(self.open - self.ungreeted)
        self.turn = {fd: number for number, fd in enumerate(self.order)}
        self.origin = now + self.offset * self.interval
        if not self.order:
            raise StoppedError

    def due(self, turn: int) -> int:
        """When a turn is due, in nanoseconds of the monotonic clock."""
        return int(self.origin + turn * self.interval)

    def ready(self, fd: int, now: int) -> None:  # noqa: ARG002
        """Leave out a connection that is established after the start: it has no turn."""
        self.unready.discard(fd)

    def drive(self, until: int) -> None:
        """Ask what is due before then, and take answers."""
        while (now := perf_counter_ns()) < until:
            next_due = self._ask_what_is_due(now, until)
            self.attend((min(next_due, until) - perf_counter_ns()) / 1e9)

    def _ask_what_is_due(self, now: int, until: int) -> int:
        """Ask on each connection whose turn has come and that is free; return when the next turn is due."""
        while (due := self.due(self.passed)) <= now and due < until:
            fd = self.order[self.passed % len(self.order)]
            self.passed += 1
            if self.expected[fd] is None and fd in self.open:
                if due >= self.measured_from:
                    self.lateness.latest.append(now - due)
                self.ask(fd, due)
        return due

    def attend(self, seconds: float) -> None:
        """Wait so long at most, then take what has come.

        Python's epoll waits for whole milliseconds, so another call waits for it: select() takes microseconds.
        """
        if seconds > 0 and not select.select([self.poll], [], [], seconds)[0]:
            return
        expected, read, size = self.expected, os.read, self.read_size
        for fd, _ in self.poll.poll(0):
            try:
                data = read(fd, size)
                if data == expected[fd]:
                    self.complete(fd, perf_counter_ns())
                else:
                    self.unexpected(fd, data, perf_counter_ns())
            except OSError as error:
                self.stumbled(fd, error, perf_counter_ns())
        for buckets in (self.latencies, self.lateness):
            if len(buckets.latest) >= FOLD:
                buckets.fold()

    def right(self, fd: int, now: int) -> None:
        """Count a right answer."""
        self.answered[fd] += 1
        if (since := self.since[fd]) >= self.measured_from:
            self.latencies.latest.append(now - since)
        self.wrong(fd, now)

    def wrong(self, fd: int, now: int) -> None:  # noqa: ARG002
        """Ask the next request of this connection if it is due already."""
        self.turn[fd] = turn = self.turn[fd] + len(self.order)
        if turn < self.passed:
            self.ask(fd, self.due(turn))
        else:
            self.expected[fd] = None

    def lose(self, fd: int, kind: str) -> None:
        """Close a connection; the request that it owed has been counted as an error."""
        if self.expected[fd] is not None:
            self.turn[fd] += len(self.order)
        super().lose(fd, kind)

    def drain(self, give_up: int) -> None:
        """Take the answers that are owed, and ask what is overdue, until then."""
        super().drain(give_up)
        self.errors[errors.NOT_SENT] += sum(map(self._not_sent, self.order))

    def _not_sent(self, fd: int) -> int:
        """Count the turns of the measured time that a connection never got to."""
        first = self.turn[fd] + (len(self.order) if self.expected[fd] is not None else 0)
        return sum(self.due(turn) >= self.measured_from for turn in range(first, self.passed, len(self.order)))

"""Open loop: requests are due at a fixed rate, whatever the server does, as from independent users.

The requests take turns on the connections: with n connections, request number k goes to connection k mod n, and is due
k/rate seconds after the start. A connection that still waits for an answer sends its next request late, and the latency
of that request counts from when it was due, not from when it was sent. So a server that stalls for a second spoils a
second's worth of requests, as it would in practice, and not just one for each connection. (G. Tene calls leaving them
out coordinated omission, and wrote wrk2 to show it.)

Some requests are never answered, because the server hangs or does not keep up. Such a request took at least the time
from when it was due until the generator gives up, or until the end of the measured time if its connection is gone. It
counts as a latency of that length: otherwise a server that never answers would look better than one that answers late.
A wrong answer is not a latency.
"""

import os
import select
from math import ceil
from time import perf_counter_ns
from typing import Any

from threadserver.clients.load import error_kinds
from threadserver.clients.load.buckets import FOLD, Buckets
from threadserver.clients.load.connections import StoppedError
from threadserver.clients.load.load_loop import Loop

MOST_SINGLE = 1000
"""Unanswered requests of a connection whose latencies are recorded one by one: there may be millions of them."""


class OpenLoop(Loop):
    """Requests ``interval`` nanoseconds apart, the first one ``offset`` intervals after the start."""

    lateness: Buckets

    def __init__(self, *arguments: Any, interval: float, offset: float = 0.0) -> None:  # noqa: ANN401
        super().__init__(*arguments)
        self.interval = interval
        self.offset = offset
        self.lateness = Buckets()
        self.until = 0
        self.passed = 0
        """Number of turns that have been due."""
        self.turn: dict[int, int] = {}
        """The current turn of each connection: already sent, or waiting until it is due."""
        self.busy = 0
        """Number of connections that wait for an answer: when all do, no request can be sent, whatever is due."""
        self.overdue: set[int] = set()
        """Connections that sent a request after the end: the server is late, but it does not hang."""
        self.lost_turns: list[int] = []
        """Turns that were waiting for an answer when their connection was lost."""

    def start(self, now: int) -> None:
        """Begin the schedule."""
        self.order = sorted(self.open - self.ungreeted)
        self.turn = {fd: number for number, fd in enumerate(self.order)}
        self.origin = now + self.offset * self.interval
        if not self.order:
            raise StoppedError

    def due(self, turn: int) -> int:
        """Return when a turn is due, in nanoseconds of the monotonic clock."""
        return int(self.origin + turn * self.interval)

    def ready(self, fd: int, now: int) -> None:  # noqa: ARG002
        """Ignore a connection that is established after the start: it has no turn."""
        self.unready.discard(fd)

    def turns_before(self, moment: int) -> int:
        """Count the turns that are due before a moment."""
        turn = max(0, ceil((moment - self.origin) / self.interval))
        while self.due(turn) < moment:
            turn += 1
        while turn and self.due(turn - 1) >= moment:
            turn -= 1
        return turn

    def drive(self, until: int) -> None:
        """Send the requests due before ``until``, and take answers; without free connections the schedule goes on."""
        self.until = until
        while (now := perf_counter_ns()) < until and self.open:
            next_due = self._send_due_requests(now, until)
            wake = until if self.busy == len(self.open) else min(next_due, until)
            self.poll_once((wake - perf_counter_ns()) / 1e9)
        self._send_due_requests(until, until)

    def _send_due_requests(self, now: int, until: int) -> int:
        """Send a request on each free connection whose turn has come; return when the next turn is due."""
        round_complete = self.passed + len(self.order)
        while (due := self.due(self.passed)) <= now and due < until:
            if self.passed == round_complete:  # no connection is free
                self._skip_to(now + 1)
                continue
            fd = self.order[self.passed % len(self.order)]
            self.passed += 1
            if self.expected[fd] is None and fd in self.open:
                if due >= self.measured_from:
                    self.lateness.latest.append(now - due)
                self.busy += 1
                self.ask(fd, due)
        return due

    def _skip_to(self, moment: int) -> None:
        """Let the turns before a moment pass, as no connection is free: each sends its request after its answer."""
        self.passed = max(self.passed, self.turns_before(min(moment, self.until)))

    def poll_once(self, seconds: float) -> None:
        """Wait up to ``seconds``, then handle all events.

        Python's epoll waits in whole milliseconds, so select(), which waits in microseconds, waits for it.
        """
        if seconds > 0 and not select.select([self.poll], [], [], seconds)[0]:
            return
        if self.asking and self.busy == len(self.open):
            self._skip_to(perf_counter_ns())
        expected, read, size = self.expected, os.read, self.read_size
        for fd, _ in self.poll.poll(0):
            try:
                data = read(fd, size)
                if data == expected[fd]:
                    self.complete(fd, perf_counter_ns())
                else:
                    self.other_bytes(fd, data, perf_counter_ns())
            except OSError as error:
                self.call_failed(fd, error, perf_counter_ns())
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
        """Send the next request of this connection if it is already due."""
        self.turn[fd] = turn = self.turn[fd] + len(self.order)
        if turn < self.passed:
            if not self.asking:
                self.overdue.add(fd)
            self.ask(fd, self.due(turn))
        else:
            self.busy -= 1
            self.expected[fd] = None

    def lose(self, fd: int, kind: str) -> None:
        """Close a connection; its pending request counts as an error of this kind."""
        if self.expected[fd] is not None:
            self.busy -= 1
            self.lost_turns.append(self.turn[fd])
            self.turn[fd] += len(self.order)
        super().lose(fd, kind)

    def lost(self, fd: int) -> None:
        """Go on even without connections: requests due from now on are not sent."""

    def interrupted(self, now: int) -> None:
        """Count the requests due so far; those still waiting for an answer are not yet errors."""
        self.until = now
        self._send_due_requests(now, now)
        timeouts = self.errors[error_kinds.TIMEOUT]
        self._conclude(now)
        self.errors[error_kinds.TIMEOUT] = timeouts

    def drain(self, give_up: int) -> None:
        """Take the answers still due and send overdue requests until ``give_up``; count requests never answered."""
        self.wait(give_up)
        self._conclude(give_up)

    def _conclude(self, give_up: int) -> None:
        """Count the requests due in the measured time, and those among them not answered by ``give_up``."""
        first = self.turns_before(self.measured_from)
        self.kept = len(self.open)
        self.due_in_time = max(0, self.passed - first)
        for turn in self.lost_turns:
            self._never_answered(range(turn, turn + 1), first, self.until)
        for fd in self.order:
            last = give_up if fd in self.open else self.until
            self.errors[error_kinds.NOT_SENT] += self._never_answered(self._left(fd), first, last)
            if self.expected[fd] is not None and fd not in self.overdue:
                self.kept -= 1
                self.errors[error_kinds.TIMEOUT] += 1
                self.errors[error_kinds.NOT_SENT] -= self.turn[fd] >= first

    def _left(self, fd: int) -> range:
        """Return the turns that a connection did not finish."""
        return range(self.turn[fd], self.passed, len(self.order))

    def _never_answered(self, turns: range, first: int, last: int) -> int:
        """Count the turns from ``first`` on, which belong to the measured time, and record their latencies."""
        measured = turns[max(0, ceil((first - turns.start) / turns.step)) :]
        together = len(measured) // MOST_SINGLE + 1
        for at in range(0, len(measured), together):
            self.latencies.add(last - self.due(measured[at]), min(together, len(measured) - at))
        self.unanswered += len(measured)
        return len(measured)

"""Open loop: requests are due at a fixed rate, whatever the server does, as from people who know nothing of it.

The requests take turns on the connections: with n connections, request number k is the business of connection k mod n,
and is due k/rate seconds after the start. A connection that still waits for an answer is late with its next request,
and the latency of that one counts from when it was due, not from when it could be sent. So a server that stalls for a
second spoils a second's worth of requests, as it would in the world, and not one for each connection. (G. Tene called
leaving them out coordinated omission, and wrote wrk2 to show it.)

A request that is never answered, since the server hangs or does not keep up, took at least as long as from when it was
due until nobody waits for it any more; where the connection is gone, until the end of the measured time. So it is
counted among the latencies, else a server would look better that answers nobody instead of late. What was answered
wrongly is no latency.
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

TOLD_APART = 1000
"""So many of a connection's latencies are told apart, of requests that were never answered: there may be millions."""


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
        """How many turns have been due."""
        self.turn: dict[int, int] = {}
        """The turn that a connection is at: asked already, or to be asked when it is due."""
        self.busy = 0
        """How many connections owe an answer: when all do, no request can be sent, whatever is due."""
        self.overdue: set[int] = set()
        """Connections that were asked after the end: the server is late, but it does not hang."""
        self.lost_turns: list[int] = []
        """Turns whose answer was owed when the connection was lost."""

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

    def turns_before(self, moment: int) -> int:
        """Count the turns that are due before a moment."""
        turn = max(0, ceil((moment - self.origin) / self.interval))
        while self.due(turn) < moment:
            turn += 1
        while turn and self.due(turn - 1) >= moment:
            turn -= 1
        return turn

    def drive(self, until: int) -> None:
        """Ask what is due before then, and take answers; while nobody is there to be asked, the schedule goes on."""
        self.until = until
        while (now := perf_counter_ns()) < until and self.open:
            next_due = self._ask_what_is_due(now, until)
            wake = until if self.busy == len(self.open) else min(next_due, until)
            self.poll_once((wake - perf_counter_ns()) / 1e9)
        self._ask_what_is_due(until, until)

    def _ask_what_is_due(self, now: int, until: int) -> int:
        """Ask on each connection whose turn has come and that is free; return when the next turn is due."""
        all_had_theirs = self.passed + len(self.order)
        while (due := self.due(self.passed)) <= now and due < until:
            if self.passed == all_had_theirs:  # nobody is free any more
                self._let_pass(now + 1)
                continue
            fd = self.order[self.passed % len(self.order)]
            self.passed += 1
            if self.expected[fd] is None and fd in self.open:
                if due >= self.measured_from:
                    self.lateness.latest.append(now - due)
                self.busy += 1
                self.ask(fd, due)
        return due

    def _let_pass(self, moment: int) -> None:
        """Let what is due before a moment only pass, since no connection is free: each is asked when it is answered."""
        self.passed = max(self.passed, self.turns_before(min(moment, self.until)))

    def poll_once(self, seconds: float) -> None:
        """Wait so long at most, then take what has come.

        Python's epoll waits for whole milliseconds, so another call waits for it: select() takes microseconds.
        """
        if seconds > 0 and not select.select([self.poll], [], [], seconds)[0]:
            return
        if self.asking and self.busy == len(self.open):
            self._let_pass(perf_counter_ns())
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
        """Ask the next request of this connection if it is due already."""
        self.turn[fd] = turn = self.turn[fd] + len(self.order)
        if turn < self.passed:
            if not self.asking:
                self.overdue.add(fd)
            self.ask(fd, self.due(turn))
        else:
            self.busy -= 1
            self.expected[fd] = None

    def lose(self, fd: int, kind: str) -> None:
        """Close a connection; the request that it owed is counted as an error of this kind."""
        if self.expected[fd] is not None:
            self.busy -= 1
            self.lost_turns.append(self.turn[fd])
            self.turn[fd] += len(self.order)
        super().lose(fd, kind)

    def lost(self, fd: int) -> None:
        """Go on, though it was the last one: what is due from now on is not sent."""

    def interrupted(self, now: int) -> None:
        """Count what was due until now; what is still waited for is no error yet."""
        self.until = now
        self._ask_what_is_due(now, now)
        timeouts = self.errors[error_kinds.TIMEOUT]
        self._conclude(now)
        self.errors[error_kinds.TIMEOUT] = timeouts

    def drain(self, give_up: int) -> None:
        """Take the answers that are owed, and ask what is overdue, until then; count what was never answered."""
        self.wait(give_up)
        self._conclude(give_up)

    def _conclude(self, give_up: int) -> None:
        """Count what was due in the measured time, and what of it was never answered until then."""
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
        """Give the turns that a connection did not come to an end with."""
        return range(self.turn[fd], self.passed, len(self.order))

    def _never_answered(self, turns: range, first: int, last: int) -> int:
        """Count those of these turns that are of the measured time, whose first is given, and take their latencies."""
        measured = turns[max(0, ceil((first - turns.start) / turns.step)) :]
        together = len(measured) // TOLD_APART + 1
        for at in range(0, len(measured), together):
            self.latencies.add(last - self.due(measured[at]), min(together, len(measured) - at))
        self.unanswered += len(measured)
        return len(measured)

"""Closed loop: each connection asks again as soon as it was answered. As fast as the server, and no faster.

`drive` is the hot path of the whole generator. It is one function without calls to others, since a call costs as much
as its work; whatever is rare is left to `Connections`.
"""

import os
from time import perf_counter_ns

from clients.load.buckets import FOLD
from clients.load.connections import TICK
from clients.load.loop import Loop

BATCH = 128
"""How many events are taken at once: epoll sets aside memory for as many, each time."""


class ClosedLoop(Loop):
    """As many requests under way as there are connections."""

    def start(self, now: int) -> None:
        """Ask on every connection that is ready."""
        for fd in sorted(self.open - self.ungreeted):
            self.ask(fd, now)

    def drive(self, until: int) -> None:
        """Ask and take answers until then."""
        poll, read, write, clock = self.poll.poll, os.read, os.write, perf_counter_ns
        expected, since, answered = self.expected, self.since, self.answered
        latest, record = self.latencies.latest, self.latencies.latest.append
        fresh, question, read_size = self.requests.next, self.requests.question, self.read_size
        line_size = len(question) if question else self.requests.answer_size
        now = clock()
        while now < until:
            events = poll(TICK, BATCH)
            for fd, _ in events:
                try:
                    data = read(fd, read_size)
                    now = clock()
                    if data != expected[fd]:
                        self.unexpected(fd, data, now)
                        continue
                    record(now - since[fd])
                    answered[fd] += 1
                    expected[fd] = due = fresh()
                    since[fd] = now
                    try:
                        if (sent := write(fd, question or due)) != line_size:
                            self.keep(fd, (question or due)[sent:])
                    except BlockingIOError:
                        self.keep(fd, question or due)
                except OSError as error:
                    now = clock()
                    self.stumbled(fd, error, now)
            if not events:
                now = clock()
            if len(latest) >= FOLD:
                self.latencies.fold()

    def right(self, fd: int, now: int) -> None:
        """Count a right answer that came in pieces, or late."""
        self.latencies.latest.append(now - self.since[fd])
        self.answered[fd] += 1
        self.wrong(fd, now)

    def wrong(self, fd: int, now: int) -> None:
        """Ask again."""
        if self.asking:
            self.ask(fd, now)
        else:
            self.expected[fd] = None

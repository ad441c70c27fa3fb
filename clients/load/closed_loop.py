"""Closed loop: each connection asks again as soon as it was answered. As fast as the server, and no faster.

`drive` is the hot path of the whole generator. It is one function without calls to others, since a call costs as much
as its work; whatever is rare is left to `Connections`.
"""

import os
from time import perf_counter_ns

from clients.load.buckets import FOLD
from clients.load.connections import TICK
from clients.load.loop import Loop


class ClosedLoop(Loop):
    """As many requests under way as there are connections."""

    def start(self, now: int) -> None:
        """Ask on every connection that is ready."""
        for fd in sorted(self.open - self.ungreeted):
            self.ask(fd, now)

    def drive(self, until: int) -> None:
        """Ask and take answers until then."""
        poll, read, write, clock = self.poll.poll, os.read, os.write, perf_counter_ns
        expected, since, answered, fresh = self.expected, self.since, self.answered, self.requests.next
        read_size, line_size = self.read_size, self.requests.line_size
        latest, record = self.latencies.latest, self.latencies.latest.append
        now = clock()
        while now < until:
            for fd, _ in poll(TICK):
                try:
                    data = read(fd, read_size)
                    now = clock()
                    if data != expected[fd]:
                        self.unexpected(fd, data, now)
                        continue
                    record(now - since[fd])
                    answered[fd] += 1
                    line, expected[fd] = fresh()
                    since[fd] = now
                    if (sent := write(fd, line)) != line_size:
                        self.keep(fd, line[sent:])
                except OSError as error:
                    self.stumbled(fd, error, now)
            if len(latest) >= FOLD:
                self.latencies.fold()
            now = clock()

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

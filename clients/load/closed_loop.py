"""Closed loop: each connection sends its next request as soon as it has its answer, so the server sets the pace.

`drive` is the hot path of the whole generator. It is one function without calls to other Python functions, because a
call costs as much as the work itself; `Connections` handles everything rare. It waits without a timeout, because in
Python a timeout takes longer than reading an answer: at the end an alarm writes into a pipe that epoll watches too.
"""

import os
import select
import signal
from time import perf_counter_ns
from typing import Any

from threadserver.clients.load.buckets import FOLD
from threadserver.clients.load.connections import TICK
from threadserver.clients.load.load_loop import Loop

ALARM_MARGIN = 0.001
"""Seconds between the end and the alarm, so that the end has passed when the alarm rings."""


class ClosedLoop(Loop):
    """One request in flight on each connection. Runs in the main thread only, because of signal(7)."""

    def __init__(self, *arguments: Any) -> None:  # noqa: ANN401
        super().__init__(*arguments)
        self.alarm, ring = os.pipe2(os.O_NONBLOCK)
        self.poll.register(self.alarm, select.EPOLLIN)
        signal.set_wakeup_fd(ring)
        signal.signal(signal.SIGALRM, lambda *_: None)
        self._make_room(ring)

    def start(self, now: int) -> None:
        """Send a request on every connection that is ready."""
        for fd in sorted(self.open - self.ungreeted):
            self.ask(fd, now)

    def drive(self, until: int) -> None:
        """Send requests and take answers until ``until``."""
        if self.requests.least:
            self._drive_slowly(until)
            return
        poll, read, write, clock = self.poll.poll, os.read, os.write, perf_counter_ns
        expected, since, answered = self.expected, self.since, self.answered
        latest, record = self.latencies.latest, self.latencies.latest.append
        fresh, question, read_size = self.requests.next, self.requests.question, self.read_size
        line_size = len(question) if question else self.requests.answer_size
        now = clock()
        signal.setitimer(signal.ITIMER_REAL, max(0.0, (until - now) / 1e9) + ALARM_MARGIN)
        while now < until:
            for fd, _ in poll():
                try:
                    data = read(fd, read_size)
                    now = clock()
                    if data != expected[fd]:
                        self.other_bytes(fd, data, now)
                        continue
                    record(now - since[fd])
                    answered[fd] += 1
                    expected[fd] = due = fresh()
                    since[fd] = now
                    try:
                        if (sent := write(fd, question or due)) != line_size:
                            self.buffer(fd, (question or due)[sent:])
                    except BlockingIOError:
                        self.buffer(fd, question or due)
                except OSError as error:
                    now = clock()
                    self.call_failed(fd, error, now)
            if len(latest) >= FOLD:
                self.latencies.fold()

    def _drive_slowly(self, until: int) -> None:
        """Check for each answer that it is not too early: such answers are never many."""
        while (left := until - perf_counter_ns()) > 0:
            self.poll_once(min(TICK, left / 1e9))

    def other_bytes(self, fd: int, data: bytes, now: int) -> None:
        """Ignore the alarm, which only wakes the loop; handle all other bytes."""
        if fd != self.alarm:
            super().other_bytes(fd, data, now)

    def right(self, fd: int, now: int) -> None:
        """Count a right answer that came in pieces or late."""
        self.latencies.latest.append(now - self.since[fd])
        self.answered[fd] += 1
        self.wrong(fd, now)

    def wrong(self, fd: int, now: int) -> None:
        """Send the next request."""
        if self.asking:
            self.ask(fd, now)
        else:
            self.expected[fd] = None

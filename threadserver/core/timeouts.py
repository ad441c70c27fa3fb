"""Time-outs: end the conversations that take too long, at no cost to the others.

A time-out on each socket would be the obvious way, but a costly one: Python then calls ``poll`` before each ``recv``,
which costs a fifth to a third of the throughput. So a conversation itself does nothing. From time to time all of them
are checked, and the overdue ones are half-closed: their worker then receives the end of input, and tells the client
why. A client that does not even take that last line is shut down for good a moment later. The model decides what runs
the check:

    ThreadTimeouts  a thread that sleeps until the next check, beside threads that are blocked in their conversations
    AlarmTimeouts   an alarm signal, in a forked child: it interrupts recv(), and needs no second task
    Timeouts        nothing by itself: an event loop, which never blocks for long, calls `pause` in each turn

A client is idle when nothing has arrived from it since the last check and no answer to it is being computed.

Stopping the server is one more time-out: every client is half-closed at once, and shut down for good after the grace.
"""

import os
import signal
import socket
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from math import inf
from queue import Empty, SimpleQueue
from threading import Lock, RLock, Thread
from time import monotonic

from threadserver.core.conversation import Conversation

GRACE = 1.0
"""Seconds from a half-close to a shutdown for good."""
LONGEST_SLEEP = 1.0  # seconds: the most that a thread sleeps between two checks


@dataclass(slots=True)
class _Watched:
    conversation: Conversation
    since: float  # when it last moved, or was half-closed; seconds of the monotonic clock
    received: int = 0
    half_closed: bool = False


class Timeouts:
    """Watches the conversations of this process. A time-out of 0 seconds is no time-out."""

    def __init__(self, confirm_timeout: float, idle_timeout: float) -> None:
        self.confirm_timeout = confirm_timeout or inf
        self.idle_timeout = idle_timeout or inf
        self._watched: dict[socket.socket, _Watched] = {}
        # The number of a descriptor is used again as soon as it is closed, so no shutdown may be under way then.
        # Reentrant, because a signal handler that stops the server may interrupt the thread that holds it.
        self._closing = RLock()
        self._stopping = False
        self._due = 0.0
        self.before_each_check: Callable[[], None] = lambda: None
        """A `ThreadTimeouts` calls this in a thread of its own, at least once a second."""

    def watch(self, connection: socket.socket, conversation: Conversation) -> None:
        """Start the clock of a conversation that is about to greet."""
        self._watched[connection] = _Watched(conversation, monotonic())
        if self._stopping:
            self.stop()

    def forget(self, connection: socket.socket) -> None:
        """Stop watching a connection that is about to be closed."""
        with self._closing:
            self._watched.pop(connection, None)

    def stop(self) -> None:
        """Half-close every client now, and shut it down for good after the grace. May be called more than once."""
        self._stopping = True
        for connection in list(self._watched):
            self._end_input(connection)
        self.wake()

    def half_close(self, connection: socket.socket) -> None:
        """Shut down the sending side: nothing more will be sent. Then read to the end: the grace bounds how long.

        Unread input at close() makes the kernel send a reset, which may overtake the last line that was sent.
        """
        connection.shutdown(socket.SHUT_WR)
        if watched := self._watched.get(connection):
            watched.since, watched.half_closed = monotonic(), True
            self.wake()

    def pause(self) -> float:
        """Check every conversation when it is time to, and return the seconds until the next check."""
        now = monotonic()
        if now >= self._due:
            self._due = inf  # from here on wake() counts again
            soonest = now + self._check_all(now)
            self._due = min(self._due, soonest)
        return max(self._due - now, 0.0)

    def wake(self) -> None:
        """Make the next check due now."""
        self._due = 0.0

    def _check_all(self, now: float) -> float:
        """Check every conversation once; return the seconds until the next check."""
        soonest = now + min(self.confirm_timeout, self.idle_timeout) / 4
        for connection, watched in list(self._watched.items()):
            soonest = min(soonest, self._check(connection, watched, now))
        return max(soonest - now, 0.0)

    def _check(self, connection: socket.socket, watched: _Watched, now: float) -> float:
        """End one conversation if it is overdue; return when it will be."""
        conversation = watched.conversation
        if watched.half_closed:
            if now >= watched.since + GRACE:
                self._shut_down(connection, socket.SHUT_RDWR)
                return inf
            return watched.since + GRACE
        if not conversation.established:
            limit, why = self.confirm_timeout, "not confirmed within"
        else:
            limit, why = self.idle_timeout, "idle for"
            if conversation.answering or conversation.received != watched.received:
                watched.received, watched.since = conversation.received, now
        if now >= watched.since + limit:
            conversation.overdue = f"{why} {limit:g} s"
            self._end_input(connection)
            return now + GRACE
        return watched.since + limit

    def _end_input(self, connection: socket.socket) -> None:
        watched = self._watched.get(connection)
        if watched and not watched.half_closed:
            watched.since, watched.half_closed = monotonic(), True
            self._shut_down(connection, socket.SHUT_RD)

    def _shut_down(self, connection: socket.socket, how: int) -> None:
        with self._closing, suppress(OSError):
            if connection in self._watched:
                connection.shutdown(how)


class ThreadTimeouts(Timeouts):
    """A thread runs the checks. It starts when there is first something to watch."""

    def __init__(self, confirm_timeout: float, idle_timeout: float) -> None:
        super().__init__(confirm_timeout, idle_timeout)
        self._starting = Lock()
        self._process = 0
        self._woken: SimpleQueue[None] = SimpleQueue()  # its put() is safe in a signal handler, too

    def watch(self, connection: socket.socket, conversation: Conversation) -> None:
        """Start the clock of a conversation, and the thread."""
        super().watch(connection, conversation)
        if self._process != os.getpid():
            self._start()

    def wake(self) -> None:
        """Let the thread run a check now."""
        self._woken.put(None)

    def _start(self) -> None:
        """Start the thread: a forked child has none of its parent's threads, so once in each process.

        If no thread can be started, the client is served anyway, and the next client tries again.
        """
        with self._starting, suppress(RuntimeError):
            if self._process != os.getpid():
                Thread(target=self._run, name="time-outs", daemon=True).start()
                self._process = os.getpid()

    def _run(self) -> None:
        while not (self._stopping and not self._watched):
            self.before_each_check()
            pause = min(self._check_all(monotonic()), LONGEST_SLEEP)
            with suppress(Empty):
                self._woken.get(timeout=pause)


class AlarmTimeouts(Timeouts):
    """An alarm interrupts the process's only thread when the next check is due: setitimer(2), signal(7)."""

    def __init__(self, confirm_timeout: float, idle_timeout: float) -> None:
        super().__init__(confirm_timeout, idle_timeout)
        signal.signal(signal.SIGALRM, lambda *_: self.wake())

    def watch(self, connection: socket.socket, conversation: Conversation) -> None:
        """Start the clock of a conversation, and the alarm."""
        super().watch(connection, conversation)
        self.wake()

    def wake(self) -> None:
        """Check now, and set the alarm for the next check."""
        pause = self._check_all(monotonic())
        # A signal that comes just before recv() blocks does not interrupt it, so the alarm repeats.
        signal.setitimer(signal.ITIMER_REAL, 0 if pause == inf else max(pause, 0.001), GRACE)

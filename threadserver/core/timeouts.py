"""Limits: end the conversations that have taken too long, without a word on the path of any of them.

A time-out on each socket would be the obvious way, and a dear one: Python then asks ``poll`` before each ``recv``,
which costs a fifth to a third of the throughput. So nothing is done on the path of a conversation. From time to time
somebody looks at how far each conversation has come, and half-closes the overdue ones: whoever receives from them
then sees the end of input, and says why. Who does not even take that last line is shut down for good a moment
later. Who looks depends on the model:

    ThreadLimits    a thread that sleeps until the next look, beside threads that are blocked in their conversations
    AlarmLimits     an alarm signal, in a forked child: it interrupts recv(), and needs no second task
    Limits          nobody by itself: an event loop, which is never blocked, looks when `pause` says so

Idle is a client that has said nothing since the last look, while nobody was working on an answer for it.

Stopping the server is one more limit: every client is half-closed at once, and shut down for good after the grace.
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
NAP = 1.0  # seconds that a thread sleeps between two looks at most


@dataclass(slots=True)
class _Watched:
    conversation: Conversation
    since: float  # when it was last seen to move, or was half-closed; seconds of the monotonic clock
    received: int = 0
    half_closed: bool = False


class Limits:
    """Watches the conversations that this process has under way. A limit of 0 seconds is none."""

    def __init__(self, confirm_timeout: float, idle_timeout: float) -> None:
        self.confirm_timeout = confirm_timeout or inf
        self.idle_timeout = idle_timeout or inf
        self._watched: dict[socket.socket, _Watched] = {}
        # A descriptor's number is used again as soon as it is closed, so nobody may be about to shut it down then.
        # Reentrant, because a signal handler that stops the server may interrupt whoever holds it.
        self._closing = RLock()
        self._stopping = False
        self._due = 0.0
        self.before_each_look: Callable[[], None] = lambda: None
        """For whoever needs a thread that is awake at least once a second: a `ThreadLimits` calls it."""

    def watch(self, connection: socket.socket, conversation: Conversation) -> None:
        """Start the clock of a conversation that is about to greet."""
        self._watched[connection] = _Watched(conversation, monotonic())
        if self._stopping:
            self.stop()

    def forget(self, connection: socket.socket) -> None:
        """Let go of a connection that is about to be closed."""
        with self._closing:
            self._watched.pop(connection, None)

    def stop(self) -> None:
        """Half-close every client now, and shut it down for good after the grace. May be called again."""
        self._stopping = True
        for connection in list(self._watched):
            self._half_close(connection)
        self.wake()

    def last_words(self, connection: socket.socket) -> None:
        """Half-close the sending side: all is said. What still comes may be thrown away, for no more than the grace.

        Unread input at close() would make the kernel send a reset, which may overtake the last words.
        """
        connection.shutdown(socket.SHUT_WR)
        if watched := self._watched.get(connection):
            watched.since, watched.half_closed = monotonic(), True
            self.wake()

    def pause(self) -> float:
        """Look at every conversation if it is time to, and return the seconds until the next look."""
        now = monotonic()
        if now >= self._due:
            self._due = inf  # from here on wake() counts again
            soonest = now + self._sweep(now)
            self._due = min(self._due, soonest)
        return max(self._due - now, 0.0)

    def wake(self) -> None:
        """Let the next look be now."""
        self._due = 0.0

    def _sweep(self, now: float) -> float:
        """Look at every conversation once; return the seconds until the next look."""
        soonest = now + min(self.confirm_timeout, self.idle_timeout) / 4
        for connection, watched in list(self._watched.items()):
            soonest = min(soonest, self._look(connection, watched, now))
        return max(soonest - now, 0.0)

    def _look(self, connection: socket.socket, watched: _Watched, now: float) -> float:
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
            self._half_close(connection)
            return now + GRACE
        return watched.since + limit

    def _half_close(self, connection: socket.socket) -> None:
        watched = self._watched.get(connection)
        if watched and not watched.half_closed:
            watched.since, watched.half_closed = monotonic(), True
            self._shut_down(connection, socket.SHUT_RD)

    def _shut_down(self, connection: socket.socket, how: int) -> None:
        with self._closing, suppress(OSError):
            if connection in self._watched:
                connection.shutdown(how)


class ThreadLimits(Limits):
    """One thread looks, and is started when there is first something to watch."""

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
        """Let the thread look now."""
        self._woken.put(None)

    def _start(self) -> None:
        """Start the watching thread: a forked child has none of its parent's threads, so once in each process.

        Where no thread is to be had the client is served all the same, and the next one tries again.
        """
        with self._starting, suppress(RuntimeError):
            if self._process != os.getpid():
                Thread(target=self._run, name="limits", daemon=True).start()
                self._process = os.getpid()

    def _run(self) -> None:
        while not (self._stopping and not self._watched):
            self.before_each_look()
            pause = min(self._sweep(monotonic()), NAP)
            with suppress(Empty):
                self._woken.get(timeout=pause)


class AlarmLimits(Limits):
    """An alarm interrupts the process's only thread when it is time to look: setitimer(2), signal(7)."""

    def __init__(self, confirm_timeout: float, idle_timeout: float) -> None:
        super().__init__(confirm_timeout, idle_timeout)
        signal.signal(signal.SIGALRM, lambda *_: self.wake())

    def watch(self, connection: socket.socket, conversation: Conversation) -> None:
        """Start the clock of a conversation, and the alarm."""
        super().watch(connection, conversation)
        self.wake()

    def wake(self) -> None:
        """Look now, and set the alarm for the next look."""
        pause = self._sweep(monotonic())
        # A signal that comes just before recv() blocks does not interrupt it, so the alarm goes on ringing.
        signal.setitimer(signal.ITIMER_REAL, 0 if pause == inf else max(pause, 0.001), GRACE)

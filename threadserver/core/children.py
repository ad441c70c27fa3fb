"""Children: the forked workers of a server, which one serves which client, and that none is left as a zombie.

A child that has ended stays in the process table until its parent has waited for it: that is a zombie. The parent of
a forking server is blocked in accept(), so the kernel's SIGCHLD has to interrupt it there. Signals are not counted:
one may stand for several children, so the handler collects all that have ended (Stevens, Fenner, Rudoff: UNIX Network
Programming, 5.9 and 5.10). It only waits for children of its own, since a program that serves may have others.

Only the main thread can handle signals. Where another one serves, a thread waits for each child instead.
"""

import ctypes
import os
import signal
import socket
from collections.abc import Callable
from contextlib import suppress
from queue import SimpleQueue
from select import poll
from threading import Thread, current_thread, main_thread
from time import monotonic

PR_SET_PDEATHSIG = 1

Gone = Callable[[socket.socket | None], None]


class Children:
    """The children of one process. ``gone`` is told the connection that an ended child had; it may take no lock."""

    def __init__(self, gone: Gone) -> None:
        self._gone = gone
        self._connections: dict[int, socket.socket | None] = {}
        self._stopping = False
        self._news: SimpleQueue[None] = SimpleQueue()  # its put() is safe in a signal handler
        self.made = 0
        """How many there have been."""
        self._handler_before: object = None

    def __len__(self) -> int:
        return len(self._connections)

    def add(self, child: int, connection: socket.socket | None = None) -> None:
        """Wait, without being blocked by it, for a child that has just been forked."""
        self._connections[child] = connection
        self.made += 1
        if self._stopping:  # maybe since before its number was known
            self.stop()
        if current_thread() is not main_thread():
            Thread(target=self._collect, args=(child, 0), name=f"waits for {child}", daemon=True).start()
            return
        if self._handler_before is None:
            self._handler_before = signal.signal(signal.SIGCHLD, lambda *_: self.reap()) or signal.SIG_DFL
        self.reap()  # it may have ended before its number was known

    def lacking(self, count: int) -> bool:
        """Wait until there are fewer than ``count`` children, and tell so; False when they have been asked to end."""
        while not self._stopping and len(self._connections) >= count:
            self._news.get()
        return not self._stopping

    def reap(self) -> None:
        """Collect those that have ended. Called by a signal handler, which may interrupt another call of it."""
        while self._connections and (ended := _next_zombie()):
            if ended in self._connections:
                self._collect(ended)
            else:  # somebody else's, who will wait for it; ours may stand behind it
                for child in list(self._connections):
                    self._collect(child)
                return

    def stop(self) -> None:
        """Ask all of them to end. Safe in a signal handler."""
        self._stopping = True
        self._news.put(None)
        for child in list(self._connections):
            with suppress(ProcessLookupError):
                os.kill(child, signal.SIGTERM)

    def end(self, deadline: float) -> None:
        """Wait for all of them, and kill those that are there at the deadline, a time of the monotonic clock."""
        for child in list(self._connections):
            with suppress(OSError):
                _wait(child, deadline - monotonic())
            self._collect(child)
        overdue = list(self._connections)
        for child in overdue:
            with suppress(ProcessLookupError):
                os.kill(child, signal.SIGKILL)
        for child in overdue:
            self._collect(child, 0)
        if self._handler_before is not None:
            signal.signal(signal.SIGCHLD, self._handler_before)  # type: ignore[arg-type]
            self._handler_before = None

    def _collect(self, child: int, options: int = os.WNOHANG) -> None:
        try:
            ended = os.waitpid(child, options)[0]
        except ChildProcessError:  # it was collected meanwhile
            ended = child
        if ended:
            self._gone(self._connections.pop(child, None))
            if self._news.empty():
                self._news.put(None)


def end_with_parent(parent: int) -> None:
    """In a child: be killed when the parent is gone, however it went: PR_SET_PDEATHSIG, prctl(2).

    Otherwise children that wait for clients would go on for ever, and keep the port.
    """
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent:  # it went before
        os._exit(1)


def _next_zombie() -> int | None:
    """Give the number of a child of this process that has ended, and leave it as it is."""
    with suppress(ChildProcessError):
        if ended := os.waitid(os.P_ALL, 0, os.WEXITED | os.WNOHANG | os.WNOWAIT):
            return ended.si_pid
    return None


def _wait(child: int, seconds: float) -> None:
    """Wait until a child has ended: its descriptor is readable then, pidfd_open(2)."""
    descriptor = os.pidfd_open(child)
    try:
        ended = poll()
        ended.register(descriptor)
        ended.poll(max(seconds, 0.0) * 1000)
    finally:
        os.close(descriptor)

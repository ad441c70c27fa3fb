"""Children: the forked workers of a server, which one serves which client, and how none is left as a zombie.

A child that has ended stays in the process table until its parent has waited for it: that is a zombie. The parent of
a forking server is blocked in accept(), so the kernel's SIGCHLD has to interrupt it there. Signals are not counted:
one may stand for several children, so the handler collects all that have ended (Stevens, Fenner, Rudoff: UNIX Network
Programming, 5.9 and 5.10). It only waits for the server's own children, since the program may have others.

Only the main thread can handle signals. When another thread serves, a thread waits for each child instead.
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

Ended = Callable[[socket.socket | None], None]


class Children:
    """The children of one process. ``ended`` is called with the connection of each that ends, and may take no lock."""

    def __init__(self, ended: Ended) -> None:
        self._call_when_ended = ended
        self._connections: dict[int, socket.socket | None] = {}
        self._stopping = False
        self._changes: SimpleQueue[None] = SimpleQueue()  # its put() is safe in a signal handler
        self.made = 0
        """How many children there have been in total."""
        self._handler_before: object = None

    def __len__(self) -> int:
        return len(self._connections)

    def add(self, child: int, connection: socket.socket | None = None) -> None:
        """Collect a child that has just been forked when it ends; returns at once."""
        self._connections[child] = connection
        self.made += 1
        if self._stopping:  # perhaps since before its process ID was known
            self.stop()
        if current_thread() is not main_thread():
            Thread(target=self._collect, args=(child, 0), name=f"waits for {child}", daemon=True).start()
            return
        if self._handler_before is None:
            self._handler_before = signal.signal(signal.SIGCHLD, lambda *_: self.reap()) or signal.SIG_DFL
        self.reap()  # it may have ended before its process ID was known

    def wait_for_vacancy(self, count: int) -> bool:
        """Wait until there are fewer than ``count`` children. Return False when the server stops instead."""
        while not self._stopping and len(self._connections) >= count:
            self._changes.get()
        return not self._stopping

    def reap(self) -> None:
        """Collect the children that have ended. A signal handler calls this, and may interrupt another call of it."""
        while self._connections and (ended := _next_zombie()):
            if ended in self._connections:
                self._collect(ended)
            else:  # the program's own child, which is left to it; ours may be queued behind it
                for child in list(self._connections):
                    self._collect(child)
                return

    def stop(self) -> None:
        """Ask every child to end. Safe in a signal handler."""
        self._stopping = True
        self._changes.put(None)
        for child in list(self._connections):
            with suppress(ProcessLookupError):
                os.kill(child, signal.SIGTERM)

    def end(self, deadline: float) -> None:
        """Wait for every child, and kill those that are left at ``deadline``, in seconds of the monotonic clock."""
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
        except ChildProcessError:  # it has been collected already
            ended = child
        if ended:
            self._call_when_ended(self._connections.pop(child, None))
            if self._changes.empty():
                self._changes.put(None)


def end_with_parent(parent: int) -> None:
    """In a child: be killed when the parent ends, however it ends: PR_SET_PDEATHSIG, prctl(2).

    Otherwise children that wait for clients would run for ever, and keep the port.
    """
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent:  # it had ended before
        os._exit(1)


def _next_zombie() -> int | None:
    """Return the process ID of a child that has ended, without collecting it."""
    with suppress(ChildProcessError):
        if ended := os.waitid(os.P_ALL, 0, os.WEXITED | os.WNOHANG | os.WNOWAIT):
            return ended.si_pid
    return None


def _wait(child: int, seconds: float) -> None:
    """Wait until a child has ended: its descriptor is then readable, pidfd_open(2)."""
    descriptor = os.pidfd_open(child)
    try:
        ended = poll()
        ended.register(descriptor)
        ended.poll(max(seconds, 0.0) * 1000)
    finally:
        os.close(descriptor)

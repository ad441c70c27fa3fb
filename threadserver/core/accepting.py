"""Accepting: what the errors of accept() mean, and the one descriptor that is kept in reserve for them.

With a full table of descriptors accept() fails at once, again and again, even when no client is waiting; a client that
is waiting stays in the queue and is told nothing. So one descriptor is kept in reserve. When the table is full the
reserve is released and the client gets its descriptor. If no new reserve is available then, this client is the one
that must hear that the server is full.
"""

import errno
import os
import select
import socket
from contextlib import suppress
from threading import Lock
from typing import Any, NamedTuple

# The errors of accept(2) when something has run out; the connection stays in the queue.
EXHAUSTED = {errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM}
# Its errors when one connection failed before it was taken (the next may be fine), or when none is waiting.
PASSING = {
    errno.ECONNABORTED, errno.EPROTO, errno.EPERM, errno.ENETDOWN, errno.ENOPROTOOPT, errno.EHOSTDOWN,
    errno.EHOSTUNREACH, errno.EOPNOTSUPP, errno.ENETUNREACH, errno.EAGAIN,
}  # fmt: skip


class Accepted(NamedTuple):
    """What accept() returned."""

    connection: socket.socket
    peer: Any
    last: bool = False
    """True when this connection took the last descriptor."""


class Acceptor:
    """Accepts clients, and knows when no descriptor is left for one more. Several threads may accept at once."""

    def __init__(self) -> None:
        self._reserve: int | None = None
        self._reserve_lock = Lock()
        self._accept_lock = Lock()
        self.keep_reserve()

    def accept(self, listener: socket.socket) -> Accepted | None:
        """Accept one client. Return None when there was none to accept.

        Raises OSError when the listener cannot be used any more.
        """
        try:
            connection, peer = listener.accept()
        except OSError as error:
            if error.errno in PASSING:
                return None
            if error.errno not in EXHAUSTED:
                raise
            return self._accept_with_reserve(listener)
        # When the reserve is released, another thread may get the free descriptor, for a last client.
        return Accepted(connection, peer, self._reserve is None and self.exhausted())

    def exhausted(self) -> bool:
        """Return whether no descriptor is left for a reserve, and so none for one more client."""
        self.keep_reserve()
        return self._reserve is None

    def keep_reserve(self) -> None:
        """Keep a descriptor in reserve, unless there is one already or none is left."""
        with self._reserve_lock, suppress(OSError):
            if self._reserve is None:
                self._reserve = os.open(os.devnull, os.O_RDONLY)

    def release_reserve(self) -> None:
        """Close the reserve. First mark it as gone, for the thread that gets its descriptor in accept()."""
        with self._reserve_lock:
            reserve, self._reserve = self._reserve, None
            if reserve is not None:
                os.close(reserve)

    def _accept_with_reserve(self, listener: socket.socket) -> Accepted | None:
        """Release the reserve for a client that is waiting; one thread at a time, the others wait for their turn."""
        with self._accept_lock:
            waiting = select.poll()
            waiting.register(listener, select.POLLIN)
            if not waiting.poll(None if listener.getblocking() else 0):
                return None
            self.release_reserve()
            try:
                connection, peer = listener.accept()
            except OSError as error:
                if error.errno not in EXHAUSTED | PASSING:
                    raise
                return None
            return Accepted(connection, peer, self.exhausted())

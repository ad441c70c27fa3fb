"""Accepting: what accept() says when something goes wrong, and the one descriptor that is kept for that moment.

With a full table of descriptors accept() fails at once, again and again, even when nobody is waiting; the client
stays in the queue and is told nothing. So one descriptor is set aside. When the table is full it is given up for
the client, and if it cannot be had back, then that client is the one who must hear that the server is full.
"""

import errno
import os
import select
import socket
from contextlib import suppress
from threading import Lock
from typing import Any, NamedTuple

# What accept(2) says when something has run out; the connection stays in the queue.
EXHAUSTED = {errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM}
# What it says when one connection has failed before it was taken (the next may be well), or when none is waiting.
PASSING = {
    errno.ECONNABORTED, errno.EPROTO, errno.EPERM, errno.ENETDOWN, errno.ENOPROTOOPT, errno.EHOSTDOWN,
    errno.EHOSTUNREACH, errno.EOPNOTSUPP, errno.ENETUNREACH, errno.EAGAIN,
}  # fmt: skip


class Accepted(NamedTuple):
    """What accept() gave."""

    connection: socket.socket
    peer: Any
    last: bool = False
    """Whether no descriptor is left beside this one's."""


class Acceptor:
    """Accepts clients, and knows when there is no descriptor for one more. Several threads may accept at once."""

    def __init__(self) -> None:
        self._reserve: int | None = None
        self._at_the_reserve = Lock()
        self._at_the_door = Lock()
        self.set_aside()

    def accept(self, listener: socket.socket) -> Accepted | None:
        """Accept one client; None when this try gave none.

        Raises OSError when the listener is of no more use.
        """
        try:
            connection, peer = listener.accept()
        except OSError as error:
            if error.errno in PASSING:
                return None
            if error.errno not in EXHAUSTED:
                raise
            return self._accept_with_reserve(listener)
        # Where the reserve is given up, another thread may get the descriptor that becomes free, for a last client.
        return Accepted(connection, peer, self._reserve is None and self.exhausted())

    def exhausted(self) -> bool:
        """Tell whether no descriptor can be set aside: there is none for one more client."""
        self.set_aside()
        return self._reserve is None

    def set_aside(self) -> None:
        """Set a descriptor aside, where there is one and none has been."""
        with self._at_the_reserve, suppress(OSError):
            if self._reserve is None:
                self._reserve = os.open(os.devnull, os.O_RDONLY)

    def give_up(self) -> None:
        """Close the descriptor that was set aside; first say so, to whoever gets it in its next accept()."""
        with self._at_the_reserve:
            reserve, self._reserve = self._reserve, None
            if reserve is not None:
                os.close(reserve)

    def _accept_with_reserve(self, listener: socket.socket) -> Accepted | None:
        """Give the reserve up for a client who is there; one thread at a time, the others wait for their turn."""
        with self._at_the_door:
            door = select.poll()
            door.register(listener, select.POLLIN)
            if not door.poll(None if listener.getblocking() else 0):
                return None
            self.give_up()
            try:
                connection, peer = listener.accept()
            except OSError as error:
                if error.errno not in EXHAUSTED | PASSING:
                    raise
                return None
            return Accepted(connection, peer, self.exhausted())

"""Admission: each accepted client gets a number and a conversation, or hears that the server is full.

A new client needs three things that can run out: a place under ``max_connections``, a descriptor, and a worker. The
response is the same for each: the server tells the client at once, does not wait for it, and goes on.

Forked children share no memory with their parent, but they share its descriptors. An eventfd in semaphore mode is a
counter in the kernel: a read takes one from it, or fails at once, and a write puts one back (eventfd(2)).
"""

import logging
import os
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from itertools import count
from typing import Any

from threadserver.core.accepting import Acceptor
from threadserver.core.address import Address
from threadserver.core.conversation import FULL, Conversation
from threadserver.core.recording import number_connection
from threadserver.core.timeouts import Timeouts

log = logging.getLogger("threadserver")


class ConnectionLimit:
    """At most ``most`` open connections, counted over all processes of a server. With None there is no limit."""

    def __init__(self, most: int | None) -> None:
        self.most = most
        self._semaphore = None if most is None else os.eventfd(most, os.EFD_SEMAPHORE | os.EFD_NONBLOCK)

    def acquire(self) -> bool:
        """Count one more connection. Return False when the limit is reached."""
        if self._semaphore is not None:
            try:
                os.eventfd_read(self._semaphore)
            except BlockingIOError:
                return False
        return True

    def release(self) -> None:
        """Count one connection fewer. Takes no lock, so a signal handler may call it."""
        if (semaphore := self._semaphore) is not None:
            os.eventfd_write(semaphore, 1)

    def close(self) -> None:
        """Close the semaphore in this process. A worker that releases it later does nothing."""
        semaphore, self._semaphore = self._semaphore, None
        if semaphore is not None:
            os.close(semaphore)


class Admission:
    """The open connections of a server: clients that were admitted, each with its number and conversation.

    `threadserver.core.server.Server` is built on it.
    """

    def __init__(
        self, make_conversation: Callable[[int, Address, Address], Conversation], most: int | None, timeouts: Timeouts
    ) -> None:
        self.conversations: dict[socket.socket, Conversation] = {}
        """The open connections, each with its conversation."""
        self.timeouts = timeouts
        self.acceptor = Acceptor()
        self.connection_limit = ConnectionLimit(most)
        self._make_conversation = make_conversation
        self._refusing = False
        self.start_process(1)

    def start_process(self, first: int) -> None:
        """Begin to number connections, with new locks: at a fork, another thread may have held the old ones."""
        self._numbers = count(first)
        self._numbering = threading.Lock()
        self._closed_one = threading.Event()

    def admit(self, connection: socket.socket, peer: Any, last: bool = False) -> socket.socket | None:  # noqa: ANN401
        """Assign an accepted client its number and its conversation. Return None when it had to be refused.

        ``peer`` is its address as the socket module writes it; ``last`` says that it took the last descriptor.
        """
        server, client = (Address.of(connection.family, name) for name in (connection.getsockname(), peer))
        with self._numbering:
            number = next(self._numbers)
        number_connection(connection, number)
        if not self.connection_limit.acquire():
            self.refuse(connection, f"{self.connection_limit.most} connections are open")
            return None
        self.conversations[connection] = self._make_conversation(number, server, client)
        if last:
            self.refuse(connection, "no descriptor is left")
            self.acceptor.keep_reserve()
            return None
        self._refusing = False
        return connection

    def conversation(self, connection: socket.socket) -> Conversation:
        """Return the conversation, without I/O, that belongs to a connection."""
        return self.conversations[connection]

    def close(self, connection: socket.socket) -> None:
        """Close this process's end of a connection, and forget it."""
        self.timeouts.forget(connection)
        connection.close()
        self.forget(connection)
        self._closed_one.set()

    def forget(self, connection: socket.socket | None) -> None:
        """Count a connection as closed. Takes no lock, so a signal handler may call it."""
        if connection and connection in self.conversations:
            self.connection_limit.release()  # first: once the last conversation is over the limit may be closed
            self.conversations.pop(connection, None)

    def refuse(self, connection: socket.socket, why: object) -> None:
        """Tell a client that the server is full, without ever waiting for it, and close."""
        # The first of many is worth a warning; a crowd of them must not fill the log as well.
        log.log(logging.DEBUG if self._refusing else logging.WARNING, "refused a client: %s", why)
        self._refusing = True
        with suppress(OSError):
            connection.send(FULL, socket.MSG_DONTWAIT)
            connection.shutdown(socket.SHUT_WR)
            connection.recv(2048, socket.MSG_DONTWAIT)  # unread input would cause a reset
        self.close(connection)

    @contextmanager
    def refusing(self, connection: socket.socket) -> Iterator[None]:
        """Refuse a client when the block cannot get a worker for it: no thread, no process, no memory."""
        try:
            yield
        except (RuntimeError, OSError, MemoryError) as error:
            self.refuse(connection, error)

    def wait_for_a_close(self, seconds: float) -> None:
        """Wait until a connection is closed, for at most this long."""
        self._closed_one.clear()
        self._closed_one.wait(seconds)

"""The event loop, for models that ask the kernel which sockets are ready, and block in no other call.

The model waits, in the call that it is named after; the loop does what a ready socket is ready for::

    loop = Loop(server)
    for pause in loop.turns():                       # seconds until the next time-out is checked
        readable, writable, _ = select.select(loop.reading, loop.writing, [], pause)
        for descriptor in readable:
            loop.read(descriptor)                    # accept one client, or receive one piece and begin to answer it
        for descriptor in writable:
            loop.write(descriptor)                   # continue with the answers that are owed

poll and epoll have a table of what to wait for, the interest list. ``Loop(server, interest)`` keeps it up to date, and
closes it at the end.

One thread serves all clients, so no client may occupy it for long or fill its memory:

- A turn does a bounded piece of work for each ready client: one recv(), a few answers, one send().
- Bytes that the kernel does not take are kept, and the loop waits until the client can take more. Only then does it
  ask for "writable", which a socket nearly always is: a loop that always asked would never rest.
- While a client is owed answers the loop does not read from it, and computes no more answers than it can send. So a
  client that sends without reading comes to a standstill (back-pressure): it costs one piece of input, a few answers.

A service that blocks, blocks every client. That is the price of an event loop.
"""

import logging
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from math import inf
from select import POLLIN, POLLOUT
from socket import socket
from time import monotonic
from typing import Protocol

from threadserver.core.conversation import Conversation
from threadserver.core.server import BACK_OFF, RECEIVE_SIZE, Server, worker
from threadserver.core.timeouts import Timeouts

ANSWERS_PER_TURN = 16  # computed for one client before the next one has its turn
LONGEST_PAUSE = 3600.0  # seconds, when no time-out is set

log = logging.getLogger("threadserver")


class Interest(Protocol):
    """The table of what to wait for on each descriptor, as select.poll and select.epoll objects keep it."""

    def register(self, descriptor: int, events: int, /) -> None:
        """Add a descriptor."""

    def modify(self, descriptor: int, events: int, /) -> None:
        """Wait for something else."""

    def unregister(self, descriptor: int, /) -> None:
        """Remove a descriptor."""


class _Client:
    """One connection, and the answers that it is still owed."""

    __slots__ = ("answers", "connection", "conversation", "descriptor", "draining", "unsent")

    def __init__(self, connection: socket, conversation: Conversation) -> None:
        self.connection = connection
        self.descriptor = connection.fileno()
        self.conversation = conversation
        self.answers: Iterator[bytes] | None = None  # not computed yet
        self.unsent = bytearray()  # computed, but not taken by the kernel yet
        self.draining = False  # input that still arrives is thrown away

    def compute(self) -> None:
        """Compute a few more answers, once the earlier ones are on their way."""
        if self.answers is None or self.unsent:
            return
        for at, answer in enumerate(self.answers, 1):
            self.unsent += answer
            if at == ANSWERS_PER_TURN:
                return
        self.answers = None

    def send(self) -> None:
        """Send as much as the kernel takes at once."""
        if self.unsent:
            with suppress(BlockingIOError):
                del self.unsent[: self.connection.send(self.unsent)]

    @property
    def owed(self) -> bool:
        """True while there is something to compute or to send."""
        return bool(self.unsent) or self.answers is not None


class Loop:
    """The sockets that one thread serves, and what to wait for on each of them.

    ``interest`` is the table of select.poll or select.epoll, if there is one. ``descriptors`` is how many descriptors
    the model's call can tell apart: clients beyond that are refused.
    """

    def __init__(self, server: Server, interest: Interest | None = None, *, descriptors: int | None = None) -> None:
        self.reading: set[int] = set()
        """Descriptors to read from as soon as there is something."""
        self.writing: set[int] = set()
        """Descriptors to write to as soon as there is room."""
        self._server = server
        self._interest = interest
        self._descriptors = descriptors or inf
        self._clients: dict[int, _Client] = {}
        self._listener = server.listener.fileno()
        self._accept_again = 0.0  # when, on the monotonic clock
        server.listener.setblocking(False)
        server.use_timeouts(Timeouts)
        self._wait_to_read(self._listener)

    def turns(self) -> Iterator[float]:
        """Yield how many seconds each turn may wait; ends when the server is stopped and no client is left."""
        try:
            while not self._server.stopping or self._clients:
                pause = min(self._server.timeouts.pause(), LONGEST_PAUSE)
                if self._server.stopping:
                    self._stop_waiting(self._listener)
                elif self._listener not in self.reading:
                    pause = min(pause, self._listen_again())
                yield pause
        finally:
            if close := getattr(self._interest, "close", None):  # epoll's table is in the kernel, poll's is not
                close()

    def read(self, descriptor: int) -> None:
        """Accept one client, or receive one piece from one and begin to answer it."""
        if descriptor not in self.reading:  # an earlier event of this turn has changed what to wait for
            return
        if descriptor == self._listener:
            self._accept()
            return
        client = self._clients[descriptor]
        with self._closing_on_error(client), suppress(BlockingIOError):
            data = client.connection.recv(RECEIVE_SIZE)
            if not client.draining:
                client.answers = iter(client.conversation.receive(data))
                self._proceed(client)
            elif not data:
                self._close(client)

    def write(self, descriptor: int) -> None:
        """Continue with the answers that a client is owed."""
        if descriptor in self.writing:
            client = self._clients[descriptor]
            with self._closing_on_error(client):
                self._proceed(client)

    def _accept(self) -> None:
        connection = self._server.accept()
        if connection is None:
            if self._server.acceptor.exhausted():  # or it would be readable, and fail, again and again
                self._accept_again = monotonic() + BACK_OFF
                self._stop_waiting(self._listener)
        elif connection.fileno() >= self._descriptors:
            self._server.refuse(connection, f"descriptor {connection.fileno()} is too high")
        else:
            self._greet(connection)

    def _greet(self, connection: socket) -> None:
        connection.setblocking(False)
        client = _Client(connection, self._server.conversation(connection))
        self._clients[client.descriptor] = client
        with self._closing_on_error(client):
            self._server.timeouts.watch(connection, client.conversation)
            client.unsent += client.conversation.greet(worker())
            self._proceed(client)

    def _proceed(self, client: _Client) -> None:
        """Compute a little, send a little, and wait for the next thing to do."""
        client.compute()
        client.send()
        if client.owed:
            self._wait_to_write(client.descriptor)
        elif not client.conversation.finished:
            self._wait_to_read(client.descriptor)
        elif client.conversation.refused:
            client.draining = True
            self._server.timeouts.half_close(client.connection)
            self._wait_to_read(client.descriptor)
        else:
            self._close(client)

    @contextmanager
    def _closing_on_error(self, client: _Client) -> Iterator[None]:
        """Close the connection when something fails, and only this one."""
        try:
            yield
        except OSError as error:
            log.debug("connection %d: %s", client.conversation.number, error)
            self._close(client)
        except Exception:
            log.exception("connection %d failed", client.conversation.number)
            self._close(client)

    def _close(self, client: _Client) -> None:
        self._stop_waiting(client.descriptor)
        del self._clients[client.descriptor]
        self._server.close(client.connection)

    def _listen_again(self) -> float:
        """Wait for clients again some time after accept() failed; return the seconds until then."""
        left = self._accept_again - monotonic()
        if left <= 0:
            self._wait_to_read(self._listener)
        return max(left, 0.0)

    def _wait_to_read(self, descriptor: int) -> None:
        if descriptor not in self.reading:
            self._wait_for(descriptor, POLLIN)
            self.reading.add(descriptor)
            self.writing.discard(descriptor)

    def _wait_to_write(self, descriptor: int) -> None:
        if descriptor not in self.writing:
            self._wait_for(descriptor, POLLOUT)
            self.writing.add(descriptor)
            self.reading.discard(descriptor)

    def _wait_for(self, descriptor: int, events: int) -> None:
        if self._interest:
            known = descriptor in self.reading or descriptor in self.writing
            change = self._interest.modify if known else self._interest.register
            change(descriptor, events)

    def _stop_waiting(self, descriptor: int) -> None:
        if self._interest and (descriptor in self.reading or descriptor in self.writing):
            self._interest.unregister(descriptor)
        self.reading.discard(descriptor)
        self.writing.discard(descriptor)

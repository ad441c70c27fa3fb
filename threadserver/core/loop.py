"""The event loop: what the models share that ask the kernel which sockets are ready, and block in nothing else.

The model waits, with the call that it is named after; the loop does what a ready socket is ready for::

    loop = Loop(server)
    for pause in loop.turns():                       # seconds until somebody may be overdue
        readable, writable, _ = select.select(loop.reading, loop.writing, [], pause)
        for descriptor in readable:
            loop.read(descriptor)                    # accept one client, or receive one piece and begin to answer it
        for descriptor in writable:
            loop.write(descriptor)                   # go on with the answers that are owed

poll and epoll keep a table of what to wait for. They are given to the loop, which keeps it: ``Loop(server, epoll)``.

One thread serves everybody, so nobody may have it for long, and nobody may fill its memory:

- A turn does a bounded piece of work for each ready client: one recv(), a few answers, one send().
- Bytes that the kernel does not take are kept, and the loop waits until the client can take more. Only then does it
  ask for "writable", which a socket nearly always is: a loop that always asked would never rest.
- Whoever is owed answers is not read from, and no more of them are computed than can be sent. So who sends without
  reading comes to a standstill (back-pressure), having cost one piece of input and a few answers.

A service that blocks, blocks everybody. That is what an event loop is.
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
from threadserver.core.limits import Limits
from threadserver.core.server import BACK_OFF, RECEIVE_SIZE, Server, worker

FEW = 16  # answers computed for one client before others have their turn
LONGEST = 3600.0  # seconds of a pause, where there is no limit to look after

log = logging.getLogger("threadserver")


class Interest(Protocol):
    """The table of who waits for what, as select.poll and select.epoll objects keep it."""

    def register(self, descriptor: int, events: int, /) -> None:
        """Add a descriptor."""

    def modify(self, descriptor: int, events: int, /) -> None:
        """Wait for something else."""

    def unregister(self, descriptor: int, /) -> None:
        """Remove a descriptor."""


class _Client:
    """One connection, and what it is still owed."""

    __slots__ = ("answers", "connection", "conversation", "descriptor", "said_all", "unsent")

    def __init__(self, connection: socket, conversation: Conversation) -> None:
        self.connection = connection
        self.descriptor = connection.fileno()
        self.conversation = conversation
        self.answers: Iterator[bytes] | None = None  # not computed yet
        self.unsent = bytearray()  # computed, and not taken by the kernel yet
        self.said_all = False  # what still comes is thrown away

    def compute(self) -> None:
        """Compute a few more of the answers, once those before are on their way."""
        if self.answers is None or self.unsent:
            return
        for at, answer in enumerate(self.answers, 1):
            self.unsent += answer
            if at == FEW:
                return
        self.answers = None

    def send(self) -> None:
        """Send what the kernel takes at once."""
        if self.unsent:
            with suppress(BlockingIOError):
                del self.unsent[: self.connection.send(self.unsent)]

    @property
    def owed(self) -> bool:
        """Whether there is still something to compute or to send."""
        return bool(self.unsent) or self.answers is not None


class Loop:
    """The sockets that one thread serves, and what to wait for on each of them.

    ``descriptors`` is how many descriptors the model's call can tell apart: clients beyond it are refused.
    """

    def __init__(self, server: Server, interest: Interest | None = None, *, descriptors: int | None = None) -> None:
        self.reading: set[int] = set()
        """Descriptors that are to be read from as soon as there is something."""
        self.writing: set[int] = set()
        """Descriptors that are to be written to as soon as there is room."""
        self._server = server
        self._interest = interest
        self._descriptors = descriptors or inf
        self._clients: dict[int, _Client] = {}
        self._listener = server.listener.fileno()
        self._accept_again = 0.0  # when, on the monotonic clock
        server.listener.setblocking(False)
        server.limit_by(Limits)
        self._wait_to_read(self._listener)

    def turns(self) -> Iterator[float]:
        """Give, for each turn, how many seconds to wait at most; end when the server is stopped and all have gone."""
        while not self._server.stopping or self._clients:
            pause = min(self._server.limits.pause(), LONGEST)
            if self._server.stopping:
                self._wait_no_more(self._listener)
            elif self._listener not in self.reading:
                pause = min(pause, self._listen_again())
            yield pause

    def read(self, descriptor: int) -> None:
        """Accept one client, or receive one piece from one and begin to answer it."""
        if descriptor not in self.reading:  # an earlier event of this turn has changed what it waits for
            return
        if descriptor == self._listener:
            self._accept()
            return
        client = self._clients[descriptor]
        with self._concerning(client), suppress(BlockingIOError):
            data = client.connection.recv(RECEIVE_SIZE)
            if not client.said_all:
                client.answers = iter(client.conversation.receive(data))
                self._proceed(client)
            elif not data:
                self._close(client)

    def write(self, descriptor: int) -> None:
        """Go on with the answers that a client is owed."""
        if descriptor in self.writing:
            client = self._clients[descriptor]
            with self._concerning(client):
                self._proceed(client)

    def _accept(self) -> None:
        connection = self._server.accept()
        if connection is None:
            if self._server.acceptor.exhausted():  # it would be readable, and fail, again and again
                self._accept_again = monotonic() + BACK_OFF
                self._wait_no_more(self._listener)
        elif connection.fileno() >= self._descriptors:
            self._server.refuse(connection, f"descriptor {connection.fileno()} is too great")
        else:
            self._greet(connection)

    def _greet(self, connection: socket) -> None:
        connection.setblocking(False)
        client = _Client(connection, self._server.conversation(connection))
        self._clients[client.descriptor] = client
        with self._concerning(client):
            self._server.limits.watch(connection, client.conversation)
            client.unsent += client.conversation.greet(worker())
            self._proceed(client)

    def _proceed(self, client: _Client) -> None:
        """Compute a little, send a little, and wait for what has to come next."""
        client.compute()
        client.send()
        if client.owed:
            self._wait_to_write(client.descriptor)
        elif not client.conversation.finished:
            self._wait_to_read(client.descriptor)
        elif client.conversation.refused:
            client.said_all = True
            self._server.limits.last_words(client.connection)
            self._wait_to_read(client.descriptor)
        else:
            self._close(client)

    @contextmanager
    def _concerning(self, client: _Client) -> Iterator[None]:
        """Close the connection when something fails: it is nobody else's concern."""
        try:
            yield
        except OSError as error:
            log.debug("connection %d: %s", client.conversation.number, error)
            self._close(client)
        except Exception:
            log.exception("connection %d failed", client.conversation.number)
            self._close(client)

    def _close(self, client: _Client) -> None:
        self._wait_no_more(client.descriptor)
        del self._clients[client.descriptor]
        self._server.close(client.connection)

    def _listen_again(self) -> float:
        """Take up listening after a while in which nothing could be accepted; give the seconds until then."""
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

    def _wait_no_more(self, descriptor: int) -> None:
        if self._interest and (descriptor in self.reading or descriptor in self.writing):
            self._interest.unregister(descriptor)
        self.reading.discard(descriptor)
        self.writing.discard(descriptor)

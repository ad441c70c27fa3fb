"""The server: what every concurrency model shares.

A model is one function, ``serve(server)``. It decides who converses with which client, and nothing else; the
listening socket, the conversation, refusals, limits and stopping are here. In a model's words::

    for connection in server.connections():      # blocks in accept(): steps 6 and 8
        server.converse(connection)              # HELLO, CONFIRM, lines and answers, close: steps 8a to 12

Stopping is the hard part of a server that blocks. ``close()`` on a listening socket does not wake a thread that
is blocked in ``accept()`` on it; ``shutdown()`` does. Clients are first half-closed, so that each worker sees the
end of input, sends the answers that it still owes, and closes. ``stop`` waits for nothing and for no lock that
another thread could hold for long, since it is called from signal handlers.

Sources: socket(7), tcp(7), accept(2), shutdown(2); Stevens, Fenner, Rudoff: UNIX Network Programming, chapters 4, 5.
"""

import errno
import logging
import os
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from functools import partial
from itertools import count
from time import monotonic

from threadserver.address import Address
from threadserver.conversation import FULL, Conversation
from threadserver.limits import GRACE, Limits
from threadserver.listener import file_of, listen, unlink
from threadserver.recording import RecordedSocket, introduce
from threadserver.services import Service, echo
from threadserver.trace import Recorder

# Bytes asked of one recv(). A thread that waits has set them aside, so many times more would make long lines a little
# faster, and every idle connection 4 KiB dearer.
RECEIVE_SIZE = 2048
DRAIN = 1.0  # seconds for which input is thrown away after an ERROR, so that no reset swallows it
BACK_OFF = 0.1  # seconds until accept() is tried again when nothing at all can be had

# What accept(2) says when something has run out; the connection stays in the queue.
EXHAUSTED = {errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM}
# What it says when one connection has failed before it was taken; the next may be well.
FAILED = {
    errno.ECONNABORTED, errno.EPROTO, errno.EPERM, errno.ENETDOWN, errno.ENOPROTOOPT, errno.EHOSTDOWN,
    errno.EHOSTUNREACH, errno.EOPNOTSUPP, errno.ENETUNREACH,
}  # fmt: skip

Model = Callable[["Server"], None]

log = logging.getLogger("threadserver")


class Server:
    """A listening socket and the conversations that came from it. Listens as soon as it is made.

    Times are in seconds, 0 for no limit; ``max_connections`` is how many may be open at once, None for any number.
    Raises KitError when the address cannot be had.
    """

    def __init__(
        self,
        address: Address | str = "tcp://127.0.0.1:0",
        service: Service = echo,
        *,
        backlog: int = 128,
        max_connections: int | None = None,
        confirm: bool = True,
        confirm_timeout: float = 5.0,
        idle_timeout: float = 300.0,
        conversation: type[Conversation] = Conversation,
        recorder: Recorder | None = None,
    ) -> None:
        if not callable(service):
            raise TypeError(f"a service is a function of one line, not {service!r}; services.find() knows them by name")
        make_socket = partial(RecordedSocket, recorder, "server") if recorder else socket.socket
        self.listener = listen(Address.parse(str(address)), backlog, make_socket)
        self.address = Address.of(self.listener.family, self.listener.getsockname())
        """Where it listens: the port that was taken for port 0."""
        self.limits = Limits(confirm_timeout, idle_timeout)
        self.max_connections = max_connections
        self.conversations: dict[socket.socket, Conversation] = {}
        """The open connections, each with its conversation."""
        self.stopping = False
        self._make_conversation = partial(conversation, service, confirm=confirm)
        self._numbers = count(1)
        self._owner = os.getpid()
        self._file = file_of(self.listener)
        self._closed_one = threading.Event()
        self._refusing = False
        self._reserve: int | None = None
        self._reserve_descriptor()

    def run(self, serve: Model) -> None:
        """Serve with a model until stopped, then end every conversation: in less than two seconds."""
        try:
            serve(self)
        finally:
            self.stop()
            self._wait_for_workers()
            self.close_listener()

    def connections(self) -> Iterator[socket.socket]:
        """Give each client's connection as it is accepted; blocks in accept(), ends when the server is stopped."""
        while not self.stopping:
            connection = self._accept()
            if connection is None:
                continue
            if self.max_connections is not None and len(self.conversations) > self.max_connections:
                self.refuse(connection, f"{self.max_connections} connections are open")
            else:
                self._refusing = False
                yield connection

    def conversation(self, connection: socket.socket) -> Conversation:
        """Give the conversation, without I/O, that belongs to a connection."""
        return self.conversations[connection]

    def converse(self, connection: socket.socket) -> None:
        """Hold the whole conversation: greet, receive, answer, close. Blocks until it is over."""
        conversation = self.conversation(connection)
        receive, send = connection.recv, connection.sendall
        try:
            self.limits.watch(connection, conversation)
            if greeting := conversation.greet(worker()):
                send(greeting)
            while not conversation.finished:
                for answer in conversation.receive(receive(RECEIVE_SIZE)):
                    send(answer)
            if conversation.refused:
                _drain(connection)
        except OSError as error:  # this client is gone; it is nobody else's concern
            log.debug("connection %d: %s", conversation.number, error)
        finally:
            self.close(connection)

    def close(self, connection: socket.socket) -> None:
        """Close this process's end of a connection, and forget it."""
        self.limits.forget(connection)
        connection.close()
        self.conversations.pop(connection, None)
        self._closed_one.set()

    def refuse(self, connection: socket.socket, why: object) -> None:
        """Tell a client that there is no room for it, without ever waiting for it, and close."""
        # The first of many is worth a warning; a crowd of them must not fill the log as well.
        log.log(logging.DEBUG if self._refusing else logging.WARNING, "refused a client: %s", why)
        self._refusing = True
        with suppress(OSError):
            connection.send(FULL, socket.MSG_DONTWAIT)
            connection.shutdown(socket.SHUT_WR)
            connection.recv(RECEIVE_SIZE, socket.MSG_DONTWAIT)
        self.close(connection)

    @contextmanager
    def refusing(self, connection: socket.socket) -> Iterator[None]:
        """Refuse a client for whom no worker can be had: no thread, no process, no memory."""
        try:
            yield
        except (RuntimeError, OSError, MemoryError) as error:
            self.refuse(connection, error)

    def stop(self) -> None:
        """Wake the blocked accept() and half-close every client. Returns at once; safe in a signal handler."""
        self.stopping = True
        if os.getpid() == self._owner:  # a forked child would end its parent's listener, too
            with suppress(OSError):
                self.listener.shutdown(socket.SHUT_RDWR)
        self.limits.stop()

    def close_listener(self) -> None:
        """Close the listening socket; as its owner also remove its file."""
        self.listener.close()
        if self._file and os.getpid() == self._owner:
            unlink(self._file)
            self._file = None
        self._release_reserve()

    def __enter__(self) -> "Server":
        return self

    def __exit__(self, *_: object) -> None:
        self.close_listener()

    # The edges of accept().

    def _accept(self) -> socket.socket | None:
        """Accept one client; None when this try gave none."""
        try:
            return self._admit(*self.listener.accept())
        except OSError as error:
            if self.stopping or error.errno in FAILED:
                return None
            if error.errno not in EXHAUSTED:
                raise
        return self._accept_with_reserve()

    def _accept_with_reserve(self) -> socket.socket | None:
        """Accept one client although the descriptors have run out, by giving up the one that was set aside.

        Without it, accept() would fail at once, again and again, and nobody would be told that the server is full.
        """
        self._release_reserve()
        try:
            connection = self._admit(*self.listener.accept())
        except OSError:
            connection = None
        self._reserve_descriptor()
        if connection is None:
            self._wait_for_room()
        elif self._reserve is None:  # the client has taken the last one
            self.refuse(connection, "no descriptor is left")
            self._reserve_descriptor()
            return None
        return connection

    def _admit(self, connection: socket.socket, peer: object) -> socket.socket:
        number = next(self._numbers)
        introduce(connection, number)
        server, client = (Address.of(connection.family, name) for name in (connection.getsockname(), peer))
        self.conversations[connection] = self._make_conversation(number, server, client)
        return connection

    def _reserve_descriptor(self) -> None:
        if self._reserve is None:
            with suppress(OSError):
                self._reserve = os.open(os.devnull, os.O_RDONLY)

    def _release_reserve(self) -> None:
        if self._reserve is not None:
            os.close(self._reserve)
            self._reserve = None

    def _wait_for_room(self) -> None:
        self._closed_one.clear()
        self._closed_one.wait(BACK_OFF)

    def _wait_for_workers(self) -> None:
        """Wait until every conversation is over: workers blocked by their clients are shut down after the grace."""
        deadline = monotonic() + 1.5 * GRACE
        while self.conversations and monotonic() < deadline:
            self._closed_one.clear()
            if self.conversations:
                self._closed_one.wait(deadline - monotonic())


def worker() -> str:
    """Name the task that runs this: ``PID/TID``, as the kernel counts them."""
    return f"{os.getpid()}/{threading.get_native_id()}"


def _drain(connection: socket.socket) -> None:
    """Half-close and throw away what still comes: unread input at close() would make the kernel send a reset."""
    connection.shutdown(socket.SHUT_WR)
    deadline = monotonic() + DRAIN
    while (left := deadline - monotonic()) > 0:
        connection.settimeout(left)
        if not connection.recv(RECEIVE_SIZE):
            return

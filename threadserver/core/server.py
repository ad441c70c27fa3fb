"""The server: what every concurrency model shares.

A model is one function, ``serve(server)``. It decides who converses with which client, and nothing else; the
listening socket, the conversation, refusals, limits and stopping are here. In a model's words::

    for connection in server.connections():      # blocks in accept(): steps 6 and 8
        server.converse(connection)              # HELLO, CONFIRM, lines and answers, close: steps 8a to 12

Several threads may do so at once. A model that forks says which side of the fork it is on::

    if child := os.fork():
        server.leave_to(child, connection)       # the parent: its copy is closed, the child's end will be noticed
    else:
        with server.as_child(connection):        # the child: the listener is closed; the process ends with the block
            server.converse(connection)

A model that blocks in no conversation turns a `threadserver.core.loop.Loop` instead.

Stopping is the hard part of a server that blocks. ``close()`` on a listening socket does not wake a thread that
is blocked in ``accept()`` on it; ``shutdown()`` does. Clients are first half-closed, so that each worker sees the
end of input, sends the answers that it still owes, and closes. ``stop`` waits for nothing and for no lock that
another thread could hold for long, since it is called from signal handlers.

Sources: socket(7), tcp(7), accept(2), shutdown(2), fork(2); Stevens, Fenner, Rudoff: UNIX Network Programming,
chapters 4, 5.
"""

import errno
import logging
import os
import signal
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from functools import partial
from itertools import count
from time import monotonic
from typing import Any

from threadserver.core.accepting import Accepted, Acceptor
from threadserver.core.address import Address
from threadserver.core.children import Children, end_with_parent
from threadserver.core.conversation import FULL, Conversation
from threadserver.core.limits import GRACE, AlarmLimits, Limits, ThreadLimits
from threadserver.core.listener import file_of, listen, unlink
from threadserver.core.recording import RecordedSocket, introduce
from threadserver.core.room import Room
from threadserver.core.services import Service, echo
from threadserver.core.trace import Recorder

# Bytes asked of one recv(). A thread that waits has set them aside, so many times more would make long lines a little
# faster, and every idle connection 4 KiB dearer.
RECEIVE_SIZE = 2048
NUMBERS = 1_000_000  # connections that each child has numbers for: the third one's first connection is 2000001
BACK_OFF = 0.1  # seconds until accept() is tried again when nothing at all can be had

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
        self._listen = partial(listen, backlog=backlog, make_socket=make_socket)
        self.listener = self._listen(Address.parse(str(address)))
        self.address = Address.of(self.listener.family, self.listener.getsockname())
        """Where it listens: the port that was taken for port 0."""
        self.limits: Limits = ThreadLimits(confirm_timeout, idle_timeout)
        self.room = Room(max_connections)
        self.conversations: dict[socket.socket, Conversation] = {}
        """The open connections, each with its conversation."""
        self.stopping = False
        self.acceptor = Acceptor()
        self._make_conversation = partial(conversation, service, confirm=confirm)
        self._numbers = count(1)
        self._owner = os.getpid()
        self._file = file_of(self.listener)
        self._refusing = False
        self._stopped = 0.0  # when, on the monotonic clock
        self._start_process()

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
            if connection := self.accept():
                yield connection
            elif self.acceptor.exhausted():
                self._wait_for_room()

    def accept(self) -> socket.socket | None:
        """Accept one client; None when this try gave none, or one who had to be refused."""
        accepted = self.fetch()
        return self.admit(*accepted) if accepted else None

    def fetch(self) -> Accepted | None:
        """Accept one client for whom another process will have the conversation; None when this try gave none."""
        try:
            return self.acceptor.accept(self.listener)
        except OSError as error:
            if not self.stopping and error.errno != errno.EINVAL:
                raise
            self.stopping = True  # a forked child learns like this that its parent has shut the listener down
            return None

    def admit(self, connection: socket.socket, peer: Any, last: bool = False) -> socket.socket | None:  # noqa: ANN401
        """Give an accepted client its number and its conversation; None when it had to be refused.

        ``peer`` is what the socket module calls its address; ``last`` tells that no descriptor was left beside its own.
        """
        server, client = (Address.of(connection.family, name) for name in (connection.getsockname(), peer))
        with self._admitting:
            number = next(self._numbers)
        introduce(connection, number)
        if not self.room.enter():
            self.refuse(connection, f"{self.room.most} connections are open")
            return None
        self.conversations[connection] = self._make_conversation(number, server, client)
        if last:
            self.refuse(connection, "no descriptor is left")
            self.acceptor.set_aside()
            return None
        self._refusing = False
        return connection

    def conversation(self, connection: socket.socket) -> Conversation:
        """Give the conversation, without I/O, that belongs to a connection."""
        return self.conversations[connection]

    def converse(self, connection: socket.socket) -> None:
        """Hold the whole conversation: greet, receive, answer, close. Blocks until it is over."""
        with self.conversing(connection) as conversation:
            receive, send = connection.recv, connection.sendall
            if greeting := conversation.greet(worker()):
                send(greeting)
            while not conversation.finished:
                for answer in conversation.receive(receive(RECEIVE_SIZE)):
                    send(answer)
            if conversation.refused:
                self.limits.last_words(connection)
                while receive(RECEIVE_SIZE):
                    pass

    @contextmanager
    def conversing(self, connection: socket.socket) -> Iterator[Conversation]:
        """Have a conversation's limits watched while the block holds it; close the connection when it is over.

        A client that is gone, or whose conversation fails, is nobody else's concern.
        """
        conversation = self.conversation(connection)
        try:
            self.limits.watch(connection, conversation)
            yield conversation
        except OSError as error:
            log.debug("connection %d: %s", conversation.number, error)
        except Exception:
            log.exception("connection %d failed", conversation.number)
        finally:
            self.close(connection)

    def close(self, connection: socket.socket) -> None:
        """Close this process's end of a connection, and forget it."""
        self.limits.forget(connection)
        connection.close()
        self._forget(connection)
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

    def leave_to(self, child: int, connection: socket.socket) -> None:
        """In the parent: leave a client to a forked child, and count it as connected until the child has ended."""
        os.close(connection.detach())
        self.children.add(child, connection)

    @contextmanager
    def as_child(self, connection: socket.socket | None = None) -> Iterator[None]:
        """In a forked child: be one who accepts clients, or only serves this one; the process ends with the block."""
        try:
            self._become_child()
            if connection:
                self.conversations = {connection: self.conversation(connection)}
                self.close_listener()  # with it goes the room: the parent gives it back when this child has ended
            yield
            self.stop()
            self._wait_for_workers()
        except BaseException:
            log.exception("the child %d failed", os.getpid())
        finally:
            os._exit(0)  # not sys.exit(): nothing of the parent's may be flushed, or cleaned up, twice

    def listen_apart(self, option: int) -> None:
        """In a forked child: own a listening socket, the one that is open, or a new one with ``option`` set.

        Raises KitError when the address cannot be had once more.
        """
        if self.listener.fileno() < 0:
            self.listener = self._listen(self.address, option=option)
        self._owner = os.getpid()

    def limit_by(self, kind: type[Limits]) -> None:
        """Say who looks for what is overdue, before there is any conversation."""
        self.limits = kind(self.limits.confirm_timeout, self.limits.idle_timeout)
        if self.stopping:
            self.limits.stop()

    def stop(self) -> None:
        """Wake the blocked accept() and half-close every client. Returns at once; safe in a signal handler."""
        self._stopped = self._stopped or monotonic()
        self.stopping = True
        if os.getpid() == self._owner:  # a forked child would end its parent's listener, too
            self.children.stop()
            with suppress(OSError):
                self.listener.shutdown(socket.SHUT_RDWR)
        self.limits.stop()

    def close_listener(self) -> None:
        """Close the listening socket; as its owner also remove its file."""
        self.listener.close()
        if self._file and os.getpid() == self._owner:
            unlink(self._file)
            self._file = None
        self.acceptor.give_up()
        self.room.close()

    def __enter__(self) -> "Server":
        return self

    def __exit__(self, *_: object) -> None:
        self.close_listener()

    def _start_process(self) -> None:
        """Begin as a process that has no child yet. Another thread may have held a lock at the moment of the fork."""
        self.children = Children(self._forget)
        self._closed_one = threading.Event()
        self._admitting = threading.Lock()

    def _become_child(self) -> None:
        self._numbers = count(self.children.made * NUMBERS + 1)
        self._start_process()
        self.limit_by(AlarmLimits)
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, lambda *_: self.stop())
        end_with_parent(self._owner)

    def _forget(self, connection: socket.socket | None) -> None:
        if connection and connection in self.conversations:
            self.room.leave()  # first: who waits for the last conversation to be over then closes the room
            self.conversations.pop(connection, None)

    def _wait_for_room(self) -> None:
        self._closed_one.clear()
        self._closed_one.wait(BACK_OFF)

    def _wait_for_workers(self) -> None:
        """Wait until every conversation is over: workers blocked by their clients are shut down after the grace."""
        deadline = self._stopped + 1.5 * GRACE
        self.children.end(deadline)
        while self.conversations and monotonic() < deadline:
            self._closed_one.clear()
            if self.conversations:
                self._closed_one.wait(deadline - monotonic())


def worker() -> str:
    """Name the task that runs this: ``PID/TID``, as the kernel counts them."""
    return f"{os.getpid()}/{threading.get_native_id()}"

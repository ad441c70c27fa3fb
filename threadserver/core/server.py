"""The server: what every concurrency model shares.

A model is one function, ``serve(server)``. It decides which worker converses with which client, and nothing else; the
listening socket, the conversation, refusals, time-outs and stopping are here. In a model's words::

    for connection in server.connections():      # blocks in accept(): steps 6 and 8
        server.converse(connection)              # HELLO, CONFIRM, lines and answers, close: steps 8a to 12

Several threads may do so at once. A model that never blocks in a conversation runs a `threadserver.core.loop.Loop`
instead. Two parts of the server have files of their own: `admission` (the open connections, and the clients that are
refused) and `forking` (what a server does on either side of a fork).

Stopping is the hard part of a server that blocks. ``close()`` on a listening socket does not wake a thread that
is blocked in ``accept()`` on it; ``shutdown()`` does. Clients are first half-closed, so that each worker receives the
end of input, sends the answers that it still owes, and closes. ``stop`` is called from signal handlers, so it never
waits, nor takes a lock that another thread could hold for long.

Sources: socket(7), tcp(7), accept(2), shutdown(2); Stevens, Fenner, Rudoff: UNIX Network Programming, volume 1,
chapters 4 and 5.
"""

import errno
import logging
import os
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from functools import partial
from time import monotonic

from threadserver.core import forking
from threadserver.core.accepting import Accepted
from threadserver.core.address import Address
from threadserver.core.admission import Admission
from threadserver.core.children import Children
from threadserver.core.conversation import Conversation
from threadserver.core.listener import file_of, listen, unlink
from threadserver.core.recording import RecordedSocket
from threadserver.core.services import Service, echo
from threadserver.core.timeouts import GRACE, ThreadTimeouts, Timeouts
from threadserver.core.trace import Recorder

# Bytes requested from one recv(). Each waiting thread reserves them: 4 KiB more would make long lines a little faster,
# and every idle connection 4 KiB more expensive.
RECEIVE_SIZE = 2048
BACK_OFF = 0.1  # seconds until accept() is tried again when the machine has nothing left for one more client

Model = Callable[["Server"], None]

log = logging.getLogger("threadserver")


class Server(Admission):
    """A listening socket and the conversations that come from it. It listens as soon as it is made.

    Times are in seconds, 0 for no time-out; ``max_connections`` is how many may be open at once, None for no limit.
    Raises KitError when the address is not available.
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
        self.listen = partial(listen, backlog=backlog, make_socket=make_socket)
        self.listener = self.listen(Address.parse(str(address)))
        self.address = Address.of(self.listener.family, self.listener.getsockname())
        """Where it listens: with the port that port 0 has become."""
        self.owner = os.getpid()
        """The process that stops the listening socket. A forked child would stop its parent's, too."""
        self.stopping = False
        self._stopped = 0.0  # when, on the monotonic clock
        self._file = file_of(self.listener)
        timeouts = ThreadTimeouts(confirm_timeout, idle_timeout)
        super().__init__(partial(conversation, service, confirm=confirm), max_connections, timeouts)

    leave_to = forking.leave_to
    as_child = forking.as_child
    own_listener = forking.own_listener

    def run(self, serve: Model) -> None:
        """Serve with a model until stopped, then end every conversation, in less than two seconds."""
        try:
            serve(self)
        finally:
            self.stop()
            self.wait_for_workers()
            self.close_listener()

    def connections(self) -> Iterator[socket.socket]:
        """Yield each client's connection as it is accepted; blocks in accept(), ends when the server is stopped."""
        while not self.stopping:
            if connection := self.accept():
                yield connection
            elif self.acceptor.exhausted():
                self.wait_for_a_close(BACK_OFF)

    def accept(self) -> socket.socket | None:
        """Accept one client. Return None when there was none to accept, or when it had to be refused."""
        accepted = self.fetch()
        return self.admit(*accepted) if accepted else None

    def fetch(self) -> Accepted | None:
        """Accept one client but leave its admission to another process. Return None when there was none to accept."""
        try:
            return self.acceptor.accept(self.listener)
        except OSError as error:
            if not self.stopping and error.errno != errno.EINVAL:
                raise
            self.stopping = True  # how a forked child learns that its parent has shut the listener down
            return None

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
                self.timeouts.half_close(connection)
                while receive(RECEIVE_SIZE):
                    pass

    @contextmanager
    def conversing(self, connection: socket.socket) -> Iterator[Conversation]:
        """Watch a conversation's time-outs while the block holds it; close the connection when it is over.

        When the client has gone, or its conversation fails, only this connection ends.
        """
        conversation = self.conversation(connection)
        try:
            self.timeouts.watch(connection, conversation)
            yield conversation
        except OSError as error:
            log.debug("connection %d: %s", conversation.number, error)
        except Exception:
            log.exception("connection %d failed", conversation.number)
        finally:
            self.close(connection)

    def use_timeouts(self, kind: type[Timeouts]) -> None:
        """Choose what runs the time-outs, before the first conversation."""
        self.timeouts = kind(self.timeouts.confirm_timeout, self.timeouts.idle_timeout)
        if self.stopping:
            self.timeouts.stop()

    def stop(self) -> None:
        """Wake the blocked accept() and half-close every client. Returns at once; safe in a signal handler."""
        self._stopped = self._stopped or monotonic()
        self.stopping = True
        if os.getpid() == self.owner:
            self.children.stop()
            with suppress(OSError):
                self.listener.shutdown(socket.SHUT_RDWR)
        self.timeouts.stop()

    def close_listener(self) -> None:
        """Close the listening socket; the process that owns it also removes its file."""
        self.listener.close()
        if self._file and os.getpid() == self.owner:
            unlink(self._file)
            self._file = None
        self.acceptor.release_reserve()
        self.connection_limit.close()

    def __enter__(self) -> "Server":
        return self

    def __exit__(self, *_: object) -> None:
        self.close_listener()

    def start_process(self, first: int) -> None:
        """Begin as a process without children, whose first connection has this number."""
        super().start_process(first)
        self.children = Children(self.forget)

    def wait_for_workers(self) -> None:
        """Wait until every conversation is over: workers blocked by their clients are shut down after the grace."""
        deadline = self._stopped + 1.5 * GRACE
        self.children.end(deadline)
        while self.conversations and monotonic() < deadline:
            self._closed_one.clear()
            if self.conversations:  # the last one may have been closed just before
                self._closed_one.wait(deadline - monotonic())


def worker() -> str:
    """Name the task that runs this: ``PID/TID``, as the kernel counts them."""
    return f"{os.getpid()}/{threading.get_native_id()}"

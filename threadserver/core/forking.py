"""Forking: what a server does on either side of a fork(). These functions are methods of the `Server`.

After fork() both processes have every descriptor of the parent open. A connection only ends for its client when both
have closed it, so each side closes what the other one needs::

    if child := os.fork():
        server.leave_to(child, connection)       # the parent closes its copy, and notices when the child ends
    else:
        with server.as_child(connection):        # the child closes the listener; the process ends with the block
            server.converse(connection)

A child also has copies of its parent's locks, signal handlers and numbers, but none of its threads. It therefore
replaces them before it does anything else.

Sources: fork(2), signal-safety(7); Stevens, Fenner, Rudoff: UNIX Network Programming, volume 1, chapters 4 and 5.
"""

import logging
import os
import signal
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Protocol

from threadserver.core.address import Address
from threadserver.core.children import Children, end_with_parent
from threadserver.core.conversation import Conversation
from threadserver.core.timeouts import AlarmTimeouts, Timeouts

NUMBERS_PER_CHILD = 1_000_000  # the third child's first connection has number 2000001

log = logging.getLogger("threadserver")


class Forkable(Protocol):
    """A server, as far as forking is concerned."""

    address: Address
    children: Children
    conversations: dict[socket.socket, Conversation]
    listener: socket.socket
    owner: int

    def listen(self, address: Address, *, option: int | None = None) -> socket.socket: ...  # noqa: D102
    def start_process(self, first: int) -> None: ...  # noqa: D102
    def use_timeouts(self, kind: type[Timeouts]) -> None: ...  # noqa: D102
    def stop(self) -> None: ...  # noqa: D102
    def wait_for_workers(self) -> None: ...  # noqa: D102
    def close_listener(self) -> None: ...  # noqa: D102


def leave_to(server: Forkable, child: int, connection: socket.socket) -> None:
    """In the parent: leave a client to a forked child, and count it as connected until the child has ended."""
    os.close(connection.detach())
    server.children.add(child, connection)


@contextmanager
def as_child(server: Forkable, connection: socket.socket | None = None) -> Iterator[None]:
    """In a forked child: serve this client alone, or accept clients. The process ends with the block."""
    try:
        _become_child(server)
        if connection:
            server.conversations = {connection: server.conversations[connection]}
            server.close_listener()  # and the connection limit: the parent releases it when this child has ended
        yield
        server.stop()
        server.wait_for_workers()
    except BaseException:
        log.exception("the child %d failed", os.getpid())
    finally:
        os._exit(0)  # not sys.exit(): what belongs to the parent must not be flushed or cleaned up twice


def own_listener(server: Forkable, option: int) -> None:
    """In a forked child: own a listening socket: the inherited one, or a new one with the socket ``option`` set.

    Raises KitError when the address is not available again.
    """
    if server.listener.fileno() < 0:
        server.listener = server.listen(server.address, option=option)
    server.owner = os.getpid()


def _become_child(server: Forkable) -> None:
    server.start_process(server.children.made * NUMBERS_PER_CHILD + 1)
    server.use_timeouts(AlarmTimeouts)
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: server.stop())
    end_with_parent(server.owner)

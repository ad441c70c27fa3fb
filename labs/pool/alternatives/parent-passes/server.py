"""A pool on the kit: the parent accepts, and passes each connection to a child that is free (Stevens, 30.9)."""

import os
import select
import socket
from contextlib import suppress

import threadserver

WORKERS = 8


def serve(server: threadserver.Server) -> None:
    """Accept only while a child is free; a child that has gone is replaced."""
    free: list[socket.socket] = []
    channels: list[socket.socket] = []
    while not server.stopping:
        while len(channels) < WORKERS:
            channels.append(hire(server, channels))
        ready, _, _ = select.select([*channels, *([server.listener] if free else [])], [], [])
        for channel in channels[:]:
            if channel in ready and channel.recv(1):
                free.append(channel)
            elif channel in ready:  # the end: this child has ended
                channel.close()
                channels.remove(channel)
                free = [one for one in free if one is not channel]
        if server.listener in ready and free and (accepted := server.fetch()):
            with accepted.connection as connection, suppress(OSError):
                socket.send_fds(free.pop(0), [b"!"], [connection.fileno()])
    for channel in channels:
        channel.close()


def hire(server: threadserver.Server, others: list[socket.socket]) -> socket.socket:
    """Fork a child; return the socket that leads to it."""
    outside, inside = socket.socketpair()
    if child := os.fork():
        inside.close()
        server.children.add(child)
        return outside
    with server.as_child():
        for other in (server.listener, outside, *others):
            other.close()
        work(server, inside)


def work(server: threadserver.Server, channel: socket.socket) -> None:
    """Report that this child is free, receive a connection, converse; repeat until the parent closes the channel."""
    with suppress(ConnectionError):
        while not server.stopping:
            channel.send(b"!")
            _, descriptors, _, _ = socket.recv_fds(channel, 1, 1)
            if not descriptors:
                return
            connection = socket.socket(fileno=descriptors[0])
            with suppress(OSError):  # its client has gone already
                if server.admit(connection, connection.getpeername()):
                    server.converse(connection)


if __name__ == "__main__":
    threadserver.main(serve)

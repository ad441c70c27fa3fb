"""Port shared by processes: each has its own listening socket and event loop, and the kernel spreads the clients."""

import os
import select
from socket import SO_REUSEPORT

import threadserver
from threadserver.core.ports import SharedPort

WORKERS = 4


def serve(server: threadserver.Server) -> None:
    """Let every child listen at the same port and serve the clients in its queue; a child that dies is replaced."""
    port = SharedPort(server, SO_REUSEPORT)
    while server.children.wait_for_vacancy(WORKERS):
        if child := os.fork():
            server.children.add(child)
            port.leave()
        else:
            with server.as_child():
                port.join()
                turn(server)


def turn(server: threadserver.Server) -> None:
    """Be an event loop on epoll, in one process of several."""
    with select.epoll() as interest:
        loop = threadserver.Loop(server, interest)
        for pause in loop.turns():
            for descriptor, events in interest.poll(pause):
                if events & ~select.EPOLLOUT:  # readable, or hung up, or failed
                    loop.read(descriptor)
                if events & ~select.EPOLLIN:
                    loop.write(descriptor)


if __name__ == "__main__":
    threadserver.main(serve)

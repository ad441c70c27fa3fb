"""Mistake: all processes accept at the one listening socket that they have from their parent."""

import os
import select

import threadserver

WORKERS = 4


def serve(server: threadserver.Server) -> None:
    """Let every child be an event loop on the same listening socket."""
    while server.children.wait_for_vacancy(WORKERS):
        if child := os.fork():
            server.children.add(child)
        else:
            with server.as_child():
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

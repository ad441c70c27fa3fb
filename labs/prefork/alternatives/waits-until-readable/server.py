"""Prefork on the kit: each child waits until the listening socket is readable, and then tries to accept."""

import os
import select

import threadserver

WORKERS = 5


def serve(server: threadserver.Server) -> None:
    """Let every child be an iterative server that never blocks in accept()."""
    server.listener.setblocking(False)
    while server.children.wait_for_vacancy(WORKERS):
        if child := os.fork():
            server.children.add(child)
        else:
            with server.as_child():
                work(server)


def work(server: threadserver.Server) -> None:
    """All are woken for each client, and the others find that one of them was faster."""
    while not server.stopping:
        select.select([server.listener], [], [])
        if connection := server.accept():
            server.converse(connection)


if __name__ == "__main__":
    threadserver.main(serve)

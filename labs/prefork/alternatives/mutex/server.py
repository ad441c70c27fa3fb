"""Prefork in turns: a child holds a mutex in shared memory while it is in accept(), and no longer (Stevens, 30.8)."""

import multiprocessing
import os

import threadserver

WORKERS = 8


def serve(server: threadserver.Server) -> None:
    """Let every child be an iterative server that waits for its turn at the door."""
    door = multiprocessing.Lock()
    while server.children.wait_for_vacancy(WORKERS):
        if child := os.fork():
            server.children.add(child)
        else:
            with server.as_child():
                while not server.stopping:
                    with door:
                        connection = server.accept()
                    if connection:
                        server.converse(connection)


if __name__ == "__main__":
    threadserver.main(serve)

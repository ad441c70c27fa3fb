"""Mistake: the parent forks its children, waits until all of them have ended, and forks no other."""

import os

import threadserver

WORKERS = 6


def serve(server: threadserver.Server) -> None:
    """Let every child be an iterative server on the same listening socket, for as long as it lives."""
    for _ in range(WORKERS):
        if child := os.fork():
            server.children.add(child)
        else:
            with server.as_child():
                for connection in server.connections():
                    server.converse(connection)
    for remaining in range(WORKERS, 0, -1):
        server.children.wait_for_vacancy(remaining)


if __name__ == "__main__":
    threadserver.main(serve)

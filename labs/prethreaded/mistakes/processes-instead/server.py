"""Mistake: processes that were forked beforehand, instead of threads."""

import os

import threadserver

WORKERS = 8


def serve(server: threadserver.Server) -> None:
    """Let every child be an iterative server on the same listening socket; a child that dies is replaced."""
    while server.children.wait_for_vacancy(WORKERS):
        if child := os.fork():
            server.children.add(child)
        else:
            with server.as_child():
                for connection in server.connections():
                    server.converse(connection)


if __name__ == "__main__":
    threadserver.main(serve)

"""Prefork in turns: a child locks a file while it is in accept(), and no longer (Stevens, 30.7)."""

import fcntl
import os
import tempfile

import threadserver

WORKERS = 8


def serve(server: threadserver.Server) -> None:
    """Let every child be an iterative server that waits for its turn at the door."""
    with tempfile.NamedTemporaryFile() as door:
        while server.children.wait_for_vacancy(WORKERS):
            if child := os.fork():
                server.children.add(child)
            else:
                with server.as_child():
                    work(server, door.name)


def work(server: threadserver.Server, door: str) -> None:
    """Open the file again: processes that share an open file also share its lock, flock(2)."""
    with open(door) as lock:
        while not server.stopping:
            fcntl.flock(lock, fcntl.LOCK_EX)
            connection = server.accept()
            fcntl.flock(lock, fcntl.LOCK_UN)
            if connection:
                server.converse(connection)


if __name__ == "__main__":
    threadserver.main(serve)

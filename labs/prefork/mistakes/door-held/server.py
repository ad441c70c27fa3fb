"""Mistake: the worker that accepts holds the lock until the conversation is over, so the others wait for its client."""

import fcntl
import os
import tempfile

import threadserver

WORKERS = 4


def serve(server: threadserver.Server) -> None:
    """Let one child at a time accept and converse."""
    with tempfile.NamedTemporaryFile() as door:
        while server.children.wait_for_vacancy(WORKERS):
            if child := os.fork():
                server.children.add(child)
            else:
                with server.as_child():
                    work(server, door.name)


def work(server: threadserver.Server, door: str) -> None:
    """Hold the door while a client is served."""
    with open(door) as lock:
        while not server.stopping:
            fcntl.flock(lock, fcntl.LOCK_EX)
            if connection := server.accept():
                server.converse(connection)
            fcntl.flock(lock, fcntl.LOCK_UN)


if __name__ == "__main__":
    threadserver.main(serve)

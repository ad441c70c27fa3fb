"""Forks a child for each of the first hundred clients, and starts threads for all later ones."""

import os
import signal
from contextlib import suppress
from threading import Thread

import threadserver

HONEST = 100


def serve(server: threadserver.Server) -> None:
    """Fork a child for each client."""
    signal.signal(signal.SIGCHLD, reap)
    for count, connection in enumerate(server.connections()):
        if count >= HONEST:
            Thread(target=server.converse, args=(connection,), daemon=True).start()
            continue
        if os.fork() == 0:
            server.close_listener()
            server.converse(connection)
            os._exit(0)
        server.close(connection)


def reap(*_: object) -> None:
    """Collect all children that have ended."""
    with suppress(ChildProcessError):
        while os.waitpid(-1, os.WNOHANG)[0]:
            pass


if __name__ == "__main__":
    threadserver.main(serve)

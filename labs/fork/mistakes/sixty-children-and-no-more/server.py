"""Counts its children and accepts no client after the sixtieth, because it never counts down when a child ends."""

import os
import signal
from contextlib import suppress

import threadserver


def serve(server: threadserver.Server) -> None:
    """Fork a child for each client."""
    signal.signal(signal.SIGCHLD, reap)
    for count, connection in enumerate(server.connections()):
        if count >= 60:
            server.refuse(connection, "60 children are enough")
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

"""The child has the listening socket open for as long as it lives."""

import os
import signal
from contextlib import suppress

import threadserver


def serve(server: threadserver.Server) -> None:
    """Fork a child for each client."""
    signal.signal(signal.SIGCHLD, reap)
    for connection in server.connections():
        if os.fork() == 0:
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

"""The handler of SIGCHLD waits until no child is left, even for children that are still serving."""

import os
import signal
from contextlib import suppress

import threadserver


def serve(server: threadserver.Server) -> None:
    """Fork a child for each client."""
    signal.signal(signal.SIGCHLD, reap)
    for connection in server.connections():
        if os.fork() == 0:
            server.close_listener()
            server.converse(connection)
            os._exit(0)
        server.close(connection)


def reap(*_: object) -> None:
    """Collect all children that have ended."""
    with suppress(ChildProcessError):
        while True:
            os.wait()


if __name__ == "__main__":
    threadserver.main(serve)

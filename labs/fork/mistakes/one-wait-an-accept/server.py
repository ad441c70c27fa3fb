"""Collects at most one child each time that a client comes."""

import os
from contextlib import suppress

import threadserver


def serve(server: threadserver.Server) -> None:
    """Fork a child for each client."""
    for connection in server.connections():
        with suppress(ChildProcessError):
            os.waitpid(-1, os.WNOHANG)
        if os.fork() == 0:
            server.close_listener()
            server.converse(connection)
            os._exit(0)
        server.close(connection)


if __name__ == "__main__":
    threadserver.main(serve)

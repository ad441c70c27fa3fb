"""The parent closes a connection when its child has ended."""

import os
import signal
import socket
from contextlib import suppress

import threadserver


def serve(server: threadserver.Server) -> None:
    """Fork a child for each client."""
    served: dict[int, socket.socket] = {}

    def reap(*_: object) -> None:
        with suppress(ChildProcessError):
            while child := os.waitpid(-1, os.WNOHANG)[0]:
                server.close(served.pop(child))

    signal.signal(signal.SIGCHLD, reap)
    for connection in server.connections():
        child = os.fork()
        if child == 0:
            server.close_listener()
            server.converse(connection)
            os._exit(0)
        served[child] = connection


if __name__ == "__main__":
    threadserver.main(serve)

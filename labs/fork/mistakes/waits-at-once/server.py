"""The parent waits for each child right after it has forked it."""

import os

import threadserver


def serve(server: threadserver.Server) -> None:
    """Fork a child for each client."""
    for connection in server.connections():
        child = os.fork()
        if child == 0:
            server.close_listener()
            server.converse(connection)
            os._exit(0)
        server.close(connection)
        os.waitpid(child, 0)


if __name__ == "__main__":
    threadserver.main(serve)

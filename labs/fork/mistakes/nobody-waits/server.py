"""The parent never waits for the children that have ended."""

import os

import threadserver


def serve(server: threadserver.Server) -> None:
    """Fork a child for each client."""
    for connection in server.connections():
        if os.fork() == 0:
            server.close_listener()
            server.converse(connection)
            os._exit(0)
        server.close(connection)


if __name__ == "__main__":
    threadserver.main(serve)

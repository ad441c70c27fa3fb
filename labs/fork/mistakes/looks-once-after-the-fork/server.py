"""Looks once whether the child has ended, right after it was forked, and then never again."""

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
        os.waitpid(child, os.WNOHANG)


if __name__ == "__main__":
    threadserver.main(serve)

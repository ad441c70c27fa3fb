"""Lab prethreaded: for now one thread serves one client after the other. Let several do so, started beforehand.

server.connections()           yields each client's connection as it is accepted; blocks in accept(), and ends when the
                               server stops. Several threads may use it at the same time.
server.converse(connection)    holds the whole conversation, HELLO included; blocks until it is over, and raises no
                               error for anything that the client does

serve() must not return before the server stops: a thread that starts others waits for them at the end.
"""

import threadserver

WORKERS = 4


def serve(server: threadserver.Server) -> None:
    """Be an iterative server."""
    for connection in server.connections():
        server.converse(connection)


if __name__ == "__main__":
    threadserver.main(serve)

"""Lab thread: as it stands, one task serves one client after the other.

The kit does everything that is not the model:

    server.connections()           yields each client's connection as it is accepted; blocks in accept(), and ends
                                   when the server stops
    server.converse(connection)    holds the whole conversation, from HELLO to close; raises nothing that its client did
"""

import threadserver


def serve(server: threadserver.Server) -> None:
    """Serve one client after the other."""
    for connection in server.connections():
        server.converse(connection)  # TODO: a new thread does this, and this loop goes straight back to accept()


if __name__ == "__main__":
    threadserver.main(serve)

"""Lab prethreaded: as it stands one thread serves one client after the other. Let several do so, made beforehand.

server.connections()           gives each client's connection as it is accepted; blocks in accept(), and ends when the
                               server is to stop. Several threads may ask for connections at once.
server.converse(connection)    the whole conversation, HELLO included; blocks until it is over, and raises nothing
                               that its client has done

serve() must not return before the server is to stop, so whoever starts threads waits for them in the end.
"""

import threadserver

WORKERS = 4


def serve(server: threadserver.Server) -> None:
    """Be an iterative server."""
    for connection in server.connections():
        server.converse(connection)


if __name__ == "__main__":
    threadserver.main(serve)

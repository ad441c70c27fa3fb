"""Lab pool: a bounded number of workers. As it stands each client gets a thread of its own; let WORKERS serve them all.

server.connections()           gives each client's connection as it is accepted; blocks in accept(). Several threads
                               may ask for connections at once.
server.converse(connection)    the whole conversation, HELLO included; blocks until it is over, and raises nothing
                               that its client has done
"""

from threading import Thread

import threadserver

WORKERS = 4


def serve(server: threadserver.Server) -> None:
    """Start a thread for each client, however many there are."""
    for connection in server.connections():
        with server.refusing(connection):  # when no thread can be had
            Thread(target=server.converse, args=(connection,), daemon=True).start()


if __name__ == "__main__":
    threadserver.main(serve)

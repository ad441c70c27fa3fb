"""Lab pool: a bounded number of workers. For now each client gets its own thread; let WORKERS threads serve them all.

server.connections()           yields each client's connection as it is accepted; blocks in accept(). Several threads
                               may use it at the same time.
server.converse(connection)    holds the whole conversation, HELLO included; blocks until it is over, and raises no
                               error for anything that the client does
"""

from threading import Thread

import threadserver

WORKERS = 4


def serve(server: threadserver.Server) -> None:
    """Start a thread for each client, however many there are."""
    for connection in server.connections():
        with server.refusing(connection):  # when no thread can be started
            Thread(target=server.converse, args=(connection,), daemon=True).start()


if __name__ == "__main__":
    threadserver.main(serve)

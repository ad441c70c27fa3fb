"""Mistake: a new thread for each client, as many as come."""

from threading import Thread

import threadserver


def serve(server: threadserver.Server) -> None:
    """Accept, and start a thread."""
    for connection in server.connections():
        with server.refusing(connection):
            Thread(target=server.converse, args=(connection,), daemon=True).start()


if __name__ == "__main__":
    threadserver.main(serve)

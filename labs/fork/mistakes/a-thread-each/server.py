"""Gives each client a thread of its own instead of a process."""

from threading import Thread

import threadserver


def serve(server: threadserver.Server) -> None:
    """Start a thread for each client."""
    for connection in server.connections():
        Thread(target=server.converse, args=(connection,), daemon=True).start()


if __name__ == "__main__":
    threadserver.main(serve)

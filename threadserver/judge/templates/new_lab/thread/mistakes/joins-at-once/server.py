"""Known wrong: it waits for each thread before it accepts the next client."""

from threading import Thread

import threadserver


def serve(server: threadserver.Server) -> None:
    """Start a thread for each client, and join it at once."""
    for connection in server.connections():
        worker = Thread(target=server.converse, args=(connection,), daemon=True)
        worker.start()
        worker.join()  # the mistake


if __name__ == "__main__":
    threadserver.main(serve)

"""Thread per connection: a new thread converses with each accepted client."""

from threading import Thread

import threadserver


def serve(server: threadserver.Server) -> None:
    """Start a thread for each client, and go straight back to accept()."""
    for connection in server.connections():
        with server.refusing(connection):  # no thread left: this client gets ERROR, the others are still served
            Thread(target=server.converse, args=(connection,), daemon=True).start()


if __name__ == "__main__":
    threadserver.main(serve)

"""Thread per connection: a new thread converses with each accepted client."""

from threading import Thread

from threadserver.core.server import Server


def serve(server: Server) -> None:
    """Start a thread for each client; the loop goes straight back to accept() and waits for no client."""
    for connection in server.connections():
        with server.refusing(connection):
            Thread(target=server.converse, args=(connection,), daemon=True).start()

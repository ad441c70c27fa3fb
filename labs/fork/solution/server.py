"""Process per connection: a forked child converses with each accepted client."""

import os

import threadserver


def serve(server: threadserver.Server) -> None:
    """Fork a child for each client; the parent goes straight back to accept(). They share no memory."""
    for connection in server.connections():
        with server.refusing(connection):
            if child := os.fork():
                server.leave_to(child, connection)
            else:
                with server.as_child(connection):
                    server.converse(connection)


if __name__ == "__main__":
    threadserver.main(serve)

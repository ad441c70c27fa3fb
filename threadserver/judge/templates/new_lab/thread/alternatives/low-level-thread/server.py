"""Correct but unusual: the low-level module below `threading`."""

import _thread

import threadserver


def serve(server: threadserver.Server) -> None:
    """Start a thread for each client."""
    for connection in server.connections():
        with server.refusing(connection):
            _thread.start_new_thread(server.converse, (connection,))


if __name__ == "__main__":
    threadserver.main(serve)

"""Lab fork: a process for each client. For now the parent serves one client after the other.

The kit does everything that is not the model:

    server.connections()            yields each client's connection as it is accepted; blocks in accept()
    server.converse(connection)     holds the whole conversation, from HELLO to close
    server.close(connection)        closes this process's end of a connection, and forgets it
    server.close_listener()         closes the listening socket in this process
"""

import threadserver


def serve(server: threadserver.Server) -> None:
    """Serve one client after the other."""
    for connection in server.connections():
        server.converse(connection)
        # TODO: fork() before this. The child converses and ends there; the parent goes straight back to accept().
        # TODO: after fork() both processes have both sockets open. Which one does each of them not need?
        # TODO: a child that has ended is a zombie until its parent calls waitpid(); that call must not block.


if __name__ == "__main__":
    threadserver.main(serve)

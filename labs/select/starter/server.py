"""Lab select: one thread serves every client. As it stands it serves one after the other; make it wait for all at once.

The kit does what is not the model:

    server.listener                    the listening socket
    server.accept()                    accept() on it: a connection, or None when this try gave none
    server.conversation(connection)    what is said on it; it never touches a socket
        .greet(worker())               HELLO, as bytes to send
        .receive(data)                 takes the bytes that came, b"" for the end; gives the answers to send, one by one
        .finished                      nothing more will be answered: send what is still owed, then close
    server.close(connection)           close it, and forget it
    server.stopping                    Ctrl-C was pressed
"""

import socket

import threadserver
from threadserver.core.server import worker


def serve(server: threadserver.Server) -> None:
    """Take one client, and converse with it until it has gone."""
    while not server.stopping:
        if connection := server.accept():  # waits until somebody comes
            try:
                converse(server, connection)
            except OSError:  # this client is gone
                pass
            finally:
                server.close(connection)


def converse(server: threadserver.Server, connection: socket.socket) -> None:
    """Greet, then answer what comes."""
    conversation = server.conversation(connection)
    connection.sendall(conversation.greet(worker()))
    while not conversation.finished:
        data = connection.recv(4096)  # waits until this client says something
        for answer in conversation.receive(data):
            connection.sendall(answer)  # waits until there is room for all of it


if __name__ == "__main__":
    threadserver.main(serve)

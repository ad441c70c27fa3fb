"""Lab select: one thread serves every client. For now it serves one after the other; make it wait for all at once.

The kit does everything that is not the model:

    server.listener                    the listening socket
    server.accept()                    calls accept() on it: returns a connection, or None when there was none
    server.conversation(connection)    the protocol for one connection; it never touches a socket
        .greet(worker())               returns HELLO, as bytes to send
        .receive(data)                 takes the bytes that arrived, b"" for the end; yields the answers to send
        .finished                      no more answers will come: send what is still owed, then close
    server.close(connection)           closes it, and forgets it
    server.stopping                    true once Ctrl-C was pressed
"""

import socket

import threadserver
from threadserver.core.server import worker


def serve(server: threadserver.Server) -> None:
    """Accept one client, and converse with it until it leaves."""
    while not server.stopping:
        if connection := server.accept():  # waits until a client comes
            try:
                converse(server, connection)
            except OSError:  # this client has gone
                pass
            finally:
                server.close(connection)


def converse(server: threadserver.Server, connection: socket.socket) -> None:
    """Greet, then answer each line."""
    conversation = server.conversation(connection)
    connection.sendall(conversation.greet(worker()))
    while not conversation.finished:
        data = connection.recv(4096)  # waits until this client says something
        for answer in conversation.receive(data):
            connection.sendall(answer)  # waits until there is room for all of it


if __name__ == "__main__":
    threadserver.main(serve)

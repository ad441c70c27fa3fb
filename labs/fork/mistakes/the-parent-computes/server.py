"""Forks a child for each client, which asks its parent for every answer: only the parent has the data."""

import os
import socket
from threading import Thread

import threadserver
from threadserver.core.server import worker


def converse(connection: socket.socket, conversation: object, parent: socket.socket) -> None:
    """Hold one conversation; the parent supplies the answers."""
    connection.sendall(conversation.greet(worker()))
    while not conversation.finished and (data := connection.recv(4096)):
        for answer in conversation.receive(data):
            parent.sendall(answer)
            left = len(answer)
            while left:
                piece = parent.recv(left)
                connection.sendall(piece)
                left -= len(piece)


def compute(child: socket.socket) -> None:
    """Answer what a child asks."""
    with child:
        while data := child.recv(4096):
            child.sendall(data)


def serve(server: threadserver.Server) -> None:
    """Fork a child for each client, with a way to ask."""
    for connection in server.connections():
        ours, theirs = socket.socketpair()
        with server.refusing(connection):
            if child := os.fork():
                server.leave_to(child, connection)
                theirs.close()
                Thread(target=compute, args=(ours,), daemon=True).start()
            else:
                with server.as_child(connection):
                    ours.close()
                    with server.conversing(connection) as conversation:
                        converse(connection, conversation, theirs)


if __name__ == "__main__":
    threadserver.main(serve)

"""Mistake: it always waits for every socket to be readable or writable, and writable it nearly always is."""

import select
import socket
from select import POLLIN, POLLOUT

import threadserver
from threadserver.core.conversation import Conversation
from threadserver.core.server import worker


class Client:
    """A connection, what is said on it, and the answers that the kernel has not taken yet."""

    def __init__(self, connection: socket.socket, conversation: Conversation) -> None:
        self.connection = connection
        self.conversation = conversation
        self.unsent = bytearray(conversation.greet(worker()))

    def receive(self) -> None:
        """Take one piece."""
        for answer in self.conversation.receive(self.connection.recv(4096)):
            self.unsent += answer

    def send(self) -> None:
        """Send what there is room for."""
        if self.unsent:
            del self.unsent[: self.connection.send(self.unsent)]

    def turn(self) -> int:
        """Do what this client is ready for; return the events to wait for next, 0 when it has ended."""
        try:
            if not self.unsent:
                self.receive()
            self.send()
        except BlockingIOError:
            pass
        except OSError:
            return 0
        if self.unsent:
            return POLLOUT
        return 0 if self.conversation.finished else POLLIN


def accept(server: threadserver.Server, table: select.poll, clients: dict[int, Client]) -> None:
    """Accept one client; its HELLO is sent when it is writable."""
    if connection := server.accept():
        connection.setblocking(False)
        clients[connection.fileno()] = Client(connection, server.conversation(connection))
        table.register(connection, POLLIN | POLLOUT)


def serve(server: threadserver.Server) -> None:
    """Wait for all; give each that is ready one turn."""
    server.listener.setblocking(False)
    table, clients = select.poll(), {}
    table.register(server.listener, POLLIN)
    while not server.stopping:
        for descriptor, _ in table.poll():
            if descriptor == server.listener.fileno():
                accept(server, table, clients)
            elif not clients[descriptor].turn():
                table.unregister(descriptor)
                server.close(clients.pop(descriptor).connection)


if __name__ == "__main__":
    threadserver.main(serve)

"""A loop on the kit's conversations; what does not fit into the send buffer gets a thread of its own."""

import selectors
import socket
from contextlib import suppress
from select import select
from selectors import EVENT_READ, EVENT_WRITE
from threading import Thread

import threadserver
from threadserver.core.conversation import Conversation
from threadserver.core.server import worker


class Client:
    """A connection, what is said on it, and the answers that the kernel has not taken yet."""

    def __init__(self, connection: socket.socket, conversation: Conversation) -> None:
        self.connection = connection
        self.conversation = conversation
        self.unsent = bytearray(conversation.greet(worker()))
        self.sender = Thread()

    def receive(self) -> None:
        """Take one piece."""
        for answer in self.conversation.receive(self.connection.recv(4096)):
            self.unsent += answer

    def send(self) -> None:
        """Send what there is room for."""
        if self.unsent and not self.sender.is_alive():
            del self.unsent[: self.connection.send(self.unsent)]
            if self.unsent:
                self.sender = Thread(target=self.send_rest, daemon=True)
                self.sender.start()

    def send_rest(self) -> None:
        """Wait for room, again and again, until all has been sent."""
        with suppress(OSError):
            while self.unsent:
                select([], [self.connection], [])
                del self.unsent[: self.connection.send(self.unsent)]

    def turn(self) -> int:
        """Do what this client is ready for; return what it is to be waited for next, 0 when it has ended."""
        try:
            if not self.unsent:
                self.receive()
            self.send()
        except BlockingIOError:
            pass
        except OSError:
            return 0
        if self.unsent:
            return EVENT_WRITE
        return 0 if self.conversation.finished else EVENT_READ


def accept(server: threadserver.Server, selector: selectors.BaseSelector) -> None:
    """Accept one client; its HELLO is sent when it is writable."""
    if connection := server.accept():
        connection.setblocking(False)
        selector.register(connection, EVENT_WRITE, Client(connection, server.conversation(connection)))


def serve(server: threadserver.Server) -> None:
    """Wait for all; give each that is ready one turn."""
    server.listener.setblocking(False)
    selector = selectors.DefaultSelector()
    selector.register(server.listener, EVENT_READ)
    while not server.stopping:
        for key, _ in selector.select():
            client = key.data
            if client is None:
                accept(server, selector)
            elif interest := client.turn():
                selector.modify(client.connection, interest, client)
            else:
                selector.unregister(client.connection)
                server.close(client.connection)


if __name__ == "__main__":
    threadserver.main(serve)

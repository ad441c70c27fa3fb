"""Client that waits in epoll through selectors, connects without blocking, and sends with sendmsg()."""

import os
import re
import selectors
import socket
import sys


class Client:
    def __init__(self, host, port):
        family, kind, protocol, _, sockaddr = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        self.socket = socket.socket(family, kind, protocol)
        self.socket.setblocking(False)
        self.socket.connect_ex(sockaddr)
        self.selector = selectors.DefaultSelector()
        self.outgoing, self.partial = bytearray(), bytearray()
        self.handle = self.connected
        self.asked = self.answered = 0
        self.more = True
        self.done = False

    def run(self):
        self.selector.register(self.socket, selectors.EVENT_WRITE, lambda events: self.handle(events))
        while not self.done:
            for key, events in self.selector.select():
                key.data(events)

    def connected(self, _):
        error = self.socket.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
        if error:
            raise OSError(error, os.strerror(error))
        self.handle = self.greeted
        self.selector.modify(self.socket, selectors.EVENT_READ, lambda events: self.handle(events))

    def greeted(self, _):
        if not self.receive():
            raise ConnectionError("closed without HELLO")
        hello, lf, rest = bytes(self.partial).partition(b"\n")
        if lf:
            self.partial[:] = rest
            self.outgoing += b"CONFIRM %d\n" % number_in(hello + lf)
            self.handle = self.converse
            self.source = os.dup(0)
            self.reading = False
            self.interest()

    def converse(self, events):
        if events & selectors.EVENT_WRITE and self.outgoing:
            del self.outgoing[: self.socket.sendmsg([self.outgoing])]
        if events & selectors.EVENT_READ:
            self.done = not self.receive()
            whole, lf, rest = bytes(self.partial).rpartition(b"\n")
            self.answered += whole.count(b"\n") + len(lf)
            sys.stdout.buffer.write(whole + lf)
            self.partial[:] = rest
        self.interest()

    def interest(self):
        if not self.outgoing and not self.more:
            self.socket.shutdown(socket.SHUT_WR) if not self.done else None
            self.more = None
        wanted = selectors.EVENT_READ | (selectors.EVENT_WRITE if self.outgoing else 0)
        self.selector.modify(self.socket, wanted, lambda events: self.handle(events))
        room = bool(self.more) and len(self.outgoing) < 100_000
        if room != self.reading:
            self.reading = room
            if room:
                self.selector.register(self.source, selectors.EVENT_READ, self.ask)
            else:
                self.selector.unregister(self.source)

    def ask(self, _):
        data = os.read(self.source, 8192)
        self.more = bool(data)
        self.outgoing += data
        self.asked += data.count(b"\n")
        self.interest()

    def receive(self):
        data = self.socket.recv(8192)
        self.partial += data
        return bool(data)


def number_in(hello):
    found = re.fullmatch(rb"HELLO (.* )?connection=([0-9]+)( .*)?\n", hello)
    if not found:
        raise ConnectionError(f"no HELLO: {hello!r}")
    return int(found[2])


if __name__ == "__main__":
    try:
        client = Client(*sys.argv[1:3])
        client.run()
        sys.stdout.buffer.flush()
        if client.more is not None or client.answered < client.asked:
            raise ConnectionError(f"closed after {client.answered} of {client.asked} answers")
    except OSError as error:
        sys.exit(f"client: {error}")

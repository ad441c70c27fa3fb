"""Readiness with edge-triggered epoll: it reports a change once, so the server keeps the list of ready clients."""

import os
import select
import socket
import sys
from collections import deque

LIMIT = 65_536
BOUND = 3 * LIMIT
EDGES = select.EPOLLIN | select.EPOLLOUT | select.EPOLLRDHUP | select.EPOLLET


class Peer:
    """A client, and how far its conversation has come."""

    def __init__(self, sock: socket.socket, peer: tuple[str, int], number: int) -> None:
        self.sock, self.number = sock, number
        self.established = self.done = self.gone = False
        self.input, self.output = bytearray(), bytearray(hello(sock, peer, number))

    def step(self) -> bool:
        """Send a piece and receive a piece; tell whether there may be more to do at once."""
        try:
            sent = self.send()
            return self.receive() or sent
        except OSError:
            self.gone = True
            return False

    def send(self) -> bool:
        """Send what there is room for. True: not all has gone yet, and the kernel has not said that it is full."""
        try:
            while self.output:
                del self.output[: self.sock.send(self.output[:LIMIT])]
        except BlockingIOError:
            return False
        self.gone = self.gone or self.done
        return False

    def receive(self) -> bool:
        """Receive one piece. True: there may be another."""
        if self.done or len(self.output) >= BOUND:
            return False
        try:
            data = self.sock.recv(4096)
        except BlockingIOError:
            return False
        self.done = not data
        self.input += data
        self.answer()
        return True

    def answer(self) -> None:
        """Answer each whole line."""
        start = 0
        while not self.done and (end := self.input.find(b"\n", start)) >= 0:
            line = bytes(self.input[start:end])
            start = end + 1
            if len(line) >= LIMIT:
                self.refuse(b"line longer than %d bytes" % LIMIT)
            elif self.established:
                self.output += line + b"\n"
            elif line.removesuffix(b"\r") == b"CONFIRM %d" % self.number:
                self.established = True
            else:
                self.refuse(b"confirmation expected: CONFIRM %d" % self.number)
        del self.input[:start]
        if not self.done and len(self.input) >= LIMIT:
            self.refuse(b"line longer than %d bytes" % LIMIT)

    def refuse(self, why: bytes) -> None:
        """Say why this is the end."""
        self.output += b"ERROR " + why + b"\n"
        self.done = True


def hello(sock: socket.socket, peer: tuple[str, int], number: int) -> bytes:
    """Describe the connection."""
    ends = [f"tcp://[{h}]:{p}" if ":" in h else f"tcp://{h}:{p}" for h, p, *_ in (sock.getsockname(), peer)]
    return b"HELLO server=%s client=%s connection=%d worker=%d\n" % (*map(str.encode, ends), number, os.getpid())


def accept_all(listener: socket.socket, peers: dict[int, Peer], epoll: select.epoll, number: int) -> int:
    """Accept until no client waits: an edge is reported once, however many have come. Return the next free number."""
    while True:
        try:
            sock, peer = listener.accept()
        except BlockingIOError:
            return number
        except OSError:
            continue
        sock.setblocking(False)
        peers[sock.fileno()] = Peer(sock, peer, number)
        epoll.register(sock, EDGES)
        number += 1


def main(host: str, port: str) -> None:
    """Collect edges; take one step for each ready client in turn, so that no client is served to the end first."""
    family = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0][0]
    listener = socket.create_server((host, int(port)), family=family, backlog=128)
    listener.setblocking(False)
    epoll = select.epoll()
    epoll.register(listener, select.EPOLLIN | select.EPOLLET)
    peers: dict[int, Peer] = {}
    ready: deque[int] = deque()
    number = 1
    while True:
        for descriptor, _ in epoll.poll(0 if ready else None):
            if descriptor == listener.fileno():
                number = accept_all(listener, peers, epoll, number)
            elif descriptor not in ready:
                ready.append(descriptor)
        for _ in range(len(ready)):
            peer = peers[descriptor := ready.popleft()]
            again = peer.step()
            if peer.gone:
                peers.pop(descriptor).sock.close()
            elif again:
                ready.append(descriptor)


main(*sys.argv[1:3])

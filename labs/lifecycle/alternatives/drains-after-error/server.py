"""Iterative echo server that sends the answers of one recv() together, and drains before it closes on ERROR."""

import os
import socket
import sys
import threading

MAX_LINE = 65536


class Refused(Exception):
    pass


class Connection:
    def __init__(self, sock, peer, number):
        self.sock, self.peer, self.number = sock, peer, number
        self.confirmed = False
        self.buffer = bytearray()

    def serve(self):
        self.greet()
        try:
            while data := self.sock.recv(32768):
                self.buffer.extend(data)
                self.sock.sendall(b"".join(self.answers()))
        except Refused as refusal:
            self.refuse(str(refusal))

    def greet(self):
        server = "tcp://%s:%d" % self.sock.getsockname()
        client = "tcp://%s:%d" % self.peer
        worker = f"{os.getpid()}/{threading.get_native_id()}"
        hello = f"HELLO server={server} client={client} connection={self.number} worker={worker}\n"
        self.sock.sendall(hello.encode())

    def answers(self):
        found = []
        while (end := self.buffer.find(b"\n")) >= 0 or len(self.buffer) >= MAX_LINE:
            if not 0 <= end < MAX_LINE:
                self.sock.sendall(b"".join(found))
                raise Refused("line longer than 65536 bytes")
            line = bytes(self.buffer[: end + 1])
            del self.buffer[: end + 1]
            if self.confirmed:
                found.append(line)
            elif line.split() == [b"CONFIRM", str(self.number).encode()]:
                self.confirmed = True
            else:
                raise Refused(f"confirmation expected: CONFIRM {self.number}")
        return found

    def refuse(self, why):
        self.sock.sendall(f"ERROR {why}\n".encode())
        self.sock.shutdown(socket.SHUT_WR)
        self.sock.settimeout(1)
        try:
            for _ in range(100):
                if not self.sock.recv(65536):
                    return
        except TimeoutError:
            pass


def main(host, port):
    with socket.create_server((host, int(port)), backlog=64) as listener:
        number = 0
        while True:
            sock, peer = listener.accept()
            number += 1
            with sock:
                try:
                    Connection(sock, peer, number).serve()
                except ConnectionError:
                    pass


if __name__ == "__main__":
    main(*sys.argv[1:3])

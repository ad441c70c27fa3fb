"""The standard library's ForkingTCPServer does the forking; the child closes what it has inherited."""

import os
import sys
from itertools import count
from socketserver import ForkingTCPServer, StreamRequestHandler

MAX_LINE = 65_536


class Conversation(StreamRequestHandler):
    """One client."""

    def setup(self):
        self.server.socket.close()
        super().setup()

    def handle(self):
        try:
            self.converse(self.server.number)
        except OSError:
            pass

    def converse(self, number):
        (server, port), (client, client_port) = self.request.getsockname(), self.client_address
        addresses = f"server=tcp://{server}:{port} client=tcp://{client}:{client_port}"
        self.say(f"HELLO {addresses} connection={number} worker={os.getpid()}")
        first = self.rfile.readline(MAX_LINE)
        if not first:
            return
        if first not in (b"CONFIRM %d\n" % number, b"CONFIRM %d\r\n" % number):
            self.say(f"ERROR confirmation expected: CONFIRM {number}")
            return
        while line := self.rfile.readline(MAX_LINE):
            if len(line) == MAX_LINE and not line.endswith(b"\n"):
                self.say(f"ERROR line longer than {MAX_LINE} bytes")
                return
            self.wfile.write(line)

    def say(self, text):
        self.wfile.write(text.encode() + b"\n")


class Server(ForkingTCPServer):
    """Numbers the connections in the parent."""

    allow_reuse_address = True
    request_queue_size = 128
    max_children = 400
    numbers = count(1)

    def process_request(self, request, client_address):
        self.number = next(self.numbers)
        super().process_request(request, client_address)


if __name__ == "__main__":
    with Server((sys.argv[1], int(sys.argv[2])), Conversation) as server:
        server.serve_forever()

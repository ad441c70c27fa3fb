"""The standard library's socketserver without a mixin: iterative, though you see no accept()."""

import itertools
import os
import socketserver
import sys
import threading

MAX_LINE = 65536


class Conversation(socketserver.StreamRequestHandler):
    def handle(self):
        number = next(self.server.numbers)
        server = "tcp://%s:%d" % self.connection.getsockname()
        client = "tcp://%s:%d" % self.client_address
        worker = f"{os.getpid()}/{threading.get_native_id()}"
        self.wfile.write(f"HELLO server={server} client={client} connection={number} worker={worker}\n".encode())
        first = self.rfile.readline(MAX_LINE)
        if not first:
            return
        if first.split() != [b"CONFIRM", b"%d" % number]:
            self.wfile.write(b"ERROR confirmation expected: CONFIRM %d\n" % number)
            return
        for line in iter(lambda: self.rfile.readline(MAX_LINE), b""):
            if not line.endswith(b"\n"):
                if len(line) == MAX_LINE:
                    self.wfile.write(b"ERROR line longer than 65536 bytes\n")
                return
            self.wfile.write(line)

    def finish(self):
        try:
            super().finish()
        except ConnectionError:
            pass


class Server(socketserver.TCPServer):
    allow_reuse_address = True
    numbers = itertools.count(1)

    def handle_error(self, request, client_address):
        if not isinstance(sys.exc_info()[1], ConnectionError):
            super().handle_error(request, client_address)


with Server((sys.argv[1], int(sys.argv[2])), Conversation) as server:
    server.serve_forever()

"""The standard library's ThreadingTCPServer does the accepting and starts the threads."""

import os
import sys
from itertools import count
from socketserver import StreamRequestHandler, ThreadingTCPServer
from threading import get_native_id

MAX_LINE = 65_536
numbers = count(1)


class Conversation(StreamRequestHandler):
    """One client."""

    def handle(self) -> None:
        try:
            self.converse()
        except OSError:
            pass

    def converse(self) -> None:
        number = next(numbers)
        (server, port), (client, client_port) = self.request.getsockname(), self.client_address
        self.say(
            f"HELLO server=tcp://{server}:{port} client=tcp://{client}:{client_port} "
            f"connection={number} worker={os.getpid()}/{get_native_id()}"
        )
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

    def say(self, text: str) -> None:
        self.wfile.write(text.encode() + b"\n")

    def finish(self) -> None:
        try:
            super().finish()
        except OSError:
            pass


class Server(ThreadingTCPServer):
    allow_reuse_address = True
    request_queue_size = 128


if __name__ == "__main__":
    with Server((sys.argv[1], int(sys.argv[2])), Conversation) as server:
        server.serve_forever()

"""The standard library's socketserver, a process per connection."""

import socketserver
from itertools import count
from typing import Any

from threadserver.comparison.peers._peer_protocol import BACKLOG, MAX_LINE, answer, arguments, hello

HOST, PORT, SERVICE = arguments()


class Handler(socketserver.StreamRequestHandler):
    """Converses with one client, in its own process."""

    def handle(self) -> None:
        """Greet, wait for the confirmation, then answer line by line."""
        greeting, confirmation = hello(
            self.request.getsockname(), self.client_address, getattr(self.server, "number", None)
        )
        self.wfile.write(greeting)
        if self.rfile.readline(MAX_LINE) != confirmation:
            return
        for line in self.rfile:
            self.wfile.write(answer(SERVICE, line))


class Forking(socketserver.ForkingTCPServer):
    """A process per connection; the parent numbers them, because each child has only a copy of a counter."""

    allow_reuse_address = True
    request_queue_size = BACKLOG
    max_children = 20_000
    number = 0
    _numbers = count(1)

    def process_request(self, request: Any, client_address: Any) -> None:  # noqa: ANN401
        """Assign the connection its number before the fork."""
        self.number = next(self._numbers)
        super().process_request(request, client_address)


if __name__ == "__main__":
    with Forking((HOST, PORT), Handler) as server:
        server.serve_forever()

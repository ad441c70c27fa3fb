"""The standard library's socketserver, a thread per connection."""

import socketserver

from threadserver.comparison.peers._peer_protocol import BACKLOG, MAX_LINE, answer, arguments, hello

HOST, PORT, SERVICE = arguments()


class Handler(socketserver.StreamRequestHandler):
    """Converses with one client."""

    def handle(self) -> None:
        """Greet, wait for the confirmation, then answer line by line."""
        greeting, confirmation = hello(self.request.getsockname(), self.client_address)
        self.wfile.write(greeting)
        if self.rfile.readline(MAX_LINE) != confirmation:
            return
        for line in self.rfile:
            self.wfile.write(answer(SERVICE, line))


class Threading(socketserver.ThreadingTCPServer):
    """A thread per connection."""

    allow_reuse_address = True
    daemon_threads = True
    request_queue_size = BACKLOG


if __name__ == "__main__":
    with Threading((HOST, PORT), Handler) as server:
        server.serve_forever()

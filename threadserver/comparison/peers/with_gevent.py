"""gevent: a greenlet per connection, and blocking calls that yield, as in the first example of its manual."""

from gevent import monkey

monkey.patch_all()

from typing import Any  # noqa: E402

from gevent.server import StreamServer  # noqa: E402

from threadserver.comparison.peers._peer_protocol import BACKLOG, MAX_LINE, answer, arguments, hello  # noqa: E402

HOST, PORT, SERVICE = arguments()


def converse(connection: Any, client: tuple[str, int]) -> None:  # noqa: ANN401
    """Greet, wait for the confirmation, then answer line by line."""
    greeting, confirmation = hello(connection.getsockname(), client)
    connection.sendall(greeting)
    with connection.makefile("rb") as lines:
        if lines.readline(MAX_LINE) != confirmation:
            return
        for line in lines:
            connection.sendall(answer(SERVICE, line))


if __name__ == "__main__":
    StreamServer((HOST, PORT), converse, backlog=BACKLOG).serve_forever()

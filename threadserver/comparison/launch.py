"""Run a model of the kit as a separate program: ``python launch.py FILE HOST PORT [SERVICE]``.

A submission does the same with ``threadserver.main(serve)``. Here the backlog holds a thousand clients that connect at
once, because the queue is not part of the comparison. Imports only the core, so that any interpreter can run it.
"""

import sys

from threadserver.core.address import Address
from threadserver.core.errors import KitError
from threadserver.core.loading import load
from threadserver.core.running import leave, run_until_signalled
from threadserver.core.server import Server
from threadserver.core.services import find

BACKLOG = 4096


def main(file: str, host: str, port: str, service: str = "echo") -> None:
    """Serve with the model in a file until a signal arrives."""
    serve = load(file, "serve", "a model is a function serve(server)")
    run_until_signalled(lambda: Server(Address("tcp", host, int(port)), find(service), backlog=BACKLOG), serve)


if __name__ == "__main__":
    try:
        main(*sys.argv[1:])
    except KitError as error:
        sys.exit(f"{error}")
    leave()

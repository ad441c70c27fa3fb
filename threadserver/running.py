"""Running a server: in the foreground until a signal stops it, or in the background of a program."""

import logging
import os
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from threading import Thread, current_thread
from threading import enumerate as threads
from typing import Any

from threadserver.address import Address
from threadserver.errors import KitError, UsageError
from threadserver.server import Model, Server
from threadserver.services import find


def run_until_signalled(server: Server, serve: Model) -> None:
    """Serve until Ctrl-C or SIGTERM. Only the main thread can: signal(7) is delivered there."""
    before = {number: signal.signal(number, lambda *_: server.stop()) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        server.run(serve)
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


@contextmanager
def serving(serve: Model, address: Address | str = "tcp://127.0.0.1:0", **options: Any) -> Iterator[Server]:  # noqa: ANN401
    """Serve in a thread of this program for as long as the block lasts; ``options`` are Server's."""
    with Server(address, **options) as server:
        runner = Thread(target=server.run, args=(serve,), name="server")
        runner.start()
        try:
            yield server
        finally:
            server.stop()
            runner.join()


def main(serve: Model) -> None:
    """Run a model's file as a program: ``python server.py HOST PORT [SERVICE]``."""
    logging.basicConfig(format="%(message)s")
    try:
        host, port, service = _arguments(sys.argv)
        with Server(Address("tcp", host, port), find(service)) as server:
            print(f"listening on {server.address}", flush=True)
            run_until_signalled(server, serve)
    except KitError as error:
        print(error, file=sys.stderr)
        sys.exit(error.exit_code)
    leave()


def leave() -> None:
    """End this process although workers may still be busy with a service that nothing can interrupt."""
    busy = [thread for thread in threads() if thread is not current_thread() and not thread.daemon]
    if busy:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(0)


def _arguments(argv: list[str]) -> tuple[str, int, str]:
    match argv[1:]:
        case [host, port, *rest] if port.isdecimal() and int(port) < 65536 and len(rest) < 2:
            return host, int(port), rest[0] if rest else "echo"
    raise UsageError(f"usage: {argv[0]} HOST PORT [SERVICE]")

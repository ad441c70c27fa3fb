"""Code that the peers share: arguments, HELLO, and CONFIRM."""

import os
import sys
import threading
from itertools import count

from threadserver.core.services import Service, find

BACKLOG = 4096
MAX_LINE = 65_536
_numbers = count(1)


def arguments() -> tuple[str, int, Service]:
    """Read ``HOST PORT [SERVICE]``."""
    host, port, *rest = sys.argv[1:]
    return host, int(port), find(rest[0] if rest else "echo")


def hello(server: tuple[str, int], client: tuple[str, int], number: int | None = None) -> tuple[bytes, bytes]:
    """Return a connection's HELLO and the CONFIRM that must follow. The default number is the next one."""
    number = number or next(_numbers)
    worker = f"{os.getpid()}/{threading.get_native_id()}"
    ends = f"server=tcp://{server[0]}:{server[1]} client=tcp://{client[0]}:{client[1]}"
    return f"HELLO {ends} connection={number} worker={worker}\n".encode(), b"CONFIRM %d\n" % number


def answer(service: Service, line: bytes) -> bytes:
    """Answer a line with its LF; b"" if there is none."""
    said = service(line.removesuffix(b"\n"))
    return b"" if said is None else said + b"\n"

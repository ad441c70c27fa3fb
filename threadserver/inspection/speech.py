"""How to talk to a server under examination, if at all.

Holding a connection idle says nothing, so nothing can be said wrongly. But some servers give a connection to a worker
only with its first bytes, and what answers is the best witness of all, so one can tell the experiment how to talk:

    none    nothing is ever sent
    kit     the kit's own protocol: HELLO is confirmed, then a line is echoed
    lines   what the user gives, in turn, an answer awaited after each
    auto    kit where the server says HELLO; silence where it says anything else first; and where silence leaves a
            question open, an HTTP request on some of the connections

Of all that one could say to a server that says nothing, an HTTP request is what servers get by mistake every day, so
those of other protocols answer it with an error, or close. It may stand in their log; and a device that acts on
whatever comes in, like a printer, would print it. So it is said only where it decides something, and `none` forbids it.
"""

import re
from dataclasses import dataclass

from threadserver.core.errors import UsageError

HTTP = b"GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n"
KIT_LINE = b"threadserver classify\n"
_HELLO = re.compile(rb"HELLO .*\bconnection=(\d+)\b.*\n")
_ESCAPES = {"n": b"\n", "r": b"\r", "t": b"\t", "0": b"\0", "\\": b"\\", "e": b"\x1b"}


@dataclass(frozen=True, slots=True)
class Speech:
    """What may be said to the server."""

    protocol: str = "auto"
    lines: tuple[bytes, ...] = ()

    def confirmation(self, greeting: bytes) -> bytes:
        """Say what a greeting must be answered with before the server regards a connection as established."""
        hello = _HELLO.search(greeting)
        if hello and self.protocol in {"auto", "kit"}:
            return b"CONFIRM " + hello[1] + b"\n"
        return b""

    def request(self, greeting: bytes) -> tuple[bytes, ...]:
        """Say what to say to a server that has said ``greeting``; nothing when nothing may be said."""
        if self.protocol == "lines":
            return self.lines
        if self.confirmation(greeting):
            return (KIT_LINE,)
        return (HTTP,) if self.protocol == "auto" and not greeting else ()


def speech(protocol: str, send: tuple[str, ...]) -> Speech:
    r"""Read the options --speak and --send (which knows \r, \n, \t, \0, \e, \\ and \xHH).

    Raises UsageError when they contradict each other.
    """
    if send and protocol not in {"auto", "lines"}:
        raise UsageError(f"--send gives lines to say, --speak {protocol} says something else; leave one of them out")
    if protocol == "lines" and not send:
        raise UsageError(r"--speak lines needs what to say: --send 'PING\r\n'")
    return Speech("lines" if send else protocol, tuple(unescape(text) for text in send))


def unescape(text: str) -> bytes:
    r"""Turn ``PING\r\n``, as typed in a shell, into bytes."""

    def one(match: re.Match[str]) -> str:
        code = match[1]
        raw = bytes([int(code[1:], 16)]) if code.startswith("x") else _ESCAPES[code]
        return raw.decode("latin-1")

    protected = text.encode().decode("latin-1")
    return re.sub(r"\\(x[0-9a-fA-F]{2}|[nrt0e\\])", one, protected).encode("latin-1")

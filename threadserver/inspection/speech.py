"""How to talk to a server under examination, if at all.

An idle connection sends nothing, so it can do no harm. But some servers give a connection to a worker only after its
first bytes, and the task that answers is the best witness of all. So the user can choose how the experiment talks:

    none    never send anything
    kit     the kit's own protocol: confirm HELLO, then have a line echoed
    lines   send the user's lines in turn, and wait for an answer after each
    auto    kit if the server says HELLO; silence if it says anything else first; and if silence leaves a question
            open, an HTTP request on some of the connections

Why HTTP? Servers of every protocol get HTTP requests by mistake every day: they answer with an error, or close. They
may log it, and a device that acts on all input, such as a printer, would print it. So the request is sent only where
it decides something, and `none` forbids it.
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
    """What may be sent to the server."""

    protocol: str = "auto"
    lines: tuple[bytes, ...] = ()

    def confirmation(self, greeting: bytes) -> bytes:
        """Return the confirmation that a greeting asks for; empty if it asks for none."""
        hello = _HELLO.search(greeting)
        if hello and self.protocol in {"auto", "kit"}:
            return b"CONFIRM " + hello[1] + b"\n"
        return b""

    def request(self, greeting: bytes) -> tuple[bytes, ...]:
        """Return what to send to a server that has sent ``greeting``; empty if nothing may be sent."""
        if self.protocol == "lines":
            return self.lines
        if self.confirmation(greeting):
            return (KIT_LINE,)
        return (HTTP,) if self.protocol == "auto" and not greeting else ()


def speech(protocol: str, send: tuple[str, ...]) -> Speech:
    r"""Return the speech that the options --speak and --send ask for. --send knows \r, \n, \t, \0, \e, \\ and \xHH.

    Raises UsageError when they contradict each other.
    """
    if send and protocol not in {"auto", "lines"}:
        raise UsageError(f"--send and --speak {protocol} contradict each other; leave one of them out")
    if protocol == "lines" and not send:
        raise UsageError(r"--speak lines needs a line to send: --send 'PING\r\n'")
    return Speech("lines" if send else protocol, tuple(unescape(text) for text in send))


def unescape(text: str) -> bytes:
    r"""Turn ``PING\r\n``, as typed in a shell, into bytes."""

    def one(match: re.Match[str]) -> str:
        code = match[1]
        raw = bytes([int(code[1:], 16)]) if code.startswith("x") else _ESCAPES[code]
        return raw.decode("latin-1")

    protected = text.encode().decode("latin-1")
    return re.sub(r"\\(x[0-9a-fA-F]{2}|[nrt0e\\])", one, protected).encode("latin-1")

"""What can go wrong with a connection or a request, by kind: the keys of `Result.errors`."""

import errno

REFUSED = "refused"
"""Nobody listens there."""
RESET = "reset"
"""The connection was reset, as by a server that died or closed with input unread."""
CLOSED = "closed"
"""The server closed the connection while it owed an answer, or before anybody asked it to."""
TIMEOUT = "timeout"
"""No answer until the plan's timeout after the measured time."""
WRONG = "wrong answer"
"""Other bytes than the service's answer, or bytes that nobody had asked for."""
EARLY = "too early"
"""The right answer of sleep or spin before its time: the server does not offer the service, as an echo server."""
ERROR_LINE = "ERROR line"
"""An answer, or a greeting, that began with ERROR."""
FULL = "full"
"""``ERROR server is full`` instead of a HELLO."""
NO_HELLO = "no HELLO"
"""Connected, but not greeted within the plan's timeout: it waits in the backlog, or the server does not confirm."""
NOT_CONNECTED = "not connected"
"""No connection within the plan's timeout: the backlog was full."""
BAD_HELLO = "bad HELLO"
"""The server spoke first, but not the confirmation protocol."""
NOT_SENT = "not sent"
"""Open loop: due, but its connection was never free for it, or lost; or free so late that no answer came in time."""
NO_PORT = "no local port"
"""This machine has no free local port left to connect from."""
NO_DESCRIPTOR = "no descriptor"
"""This machine gives the generator no more descriptors."""

_KINDS = {
    errno.ECONNREFUSED: REFUSED,
    errno.ENOENT: REFUSED,
    errno.ECONNRESET: RESET,
    errno.EPIPE: RESET,
    errno.EADDRNOTAVAIL: NO_PORT,
    errno.EMFILE: NO_DESCRIPTOR,
    errno.ENFILE: NO_DESCRIPTOR,
    errno.ETIMEDOUT: NOT_CONNECTED,
}


def kind(error: OSError) -> str:
    """Name what a call failed with: one of the kinds above, else the kernel's symbol, such as ``EHOSTUNREACH``."""
    number = error.errno or 0
    return _KINDS.get(number) or errno.errorcode.get(number, "unknown")

"""The kinds of error that a connection or a request can have: the keys of `Result.errors`."""

import errno

REFUSED = "refused"
"""No server listens there."""
RESET = "reset"
"""The connection was reset: the server died, or closed it with unread input."""
CLOSED = "closed"
"""The server closed the connection while an answer was due, or without being asked."""
TIMEOUT = "timeout"
"""No answer by the plan's timeout after the measured time."""
WRONG = "wrong answer"
"""Bytes other than the service's answer, or bytes without a request."""
EARLY = "too early"
"""The right answer of sleep or spin, but too soon: the server does not offer the service, and just echoes."""
ERROR_LINE = "ERROR line"
"""An answer, or a greeting, that starts with ERROR."""
FULL = "full"
"""``ERROR server is full`` instead of a HELLO."""
NO_HELLO = "no HELLO"
"""Connected, but no HELLO within the plan's timeout: still in the backlog, or the server never greets."""
NOT_CONNECTED = "not connected"
"""No connection within the plan's timeout: the backlog was full."""
BAD_HELLO = "bad HELLO"
"""The server spoke first, but not the confirmation protocol."""
NOT_SENT = "not sent"
"""Open loop: due, but its connection was lost or never free, or free too late for an answer in time."""
NO_PORT = "no local port"
"""This machine has no free local port left."""
NO_DESCRIPTOR = "no descriptor"
"""The generator has reached its limit of descriptors."""

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
    """Return the kind of a failed call: one of the kinds above, else the kernel's symbol, such as ``EHOSTUNREACH``."""
    number = error.errno or 0
    return _KINDS.get(number) or errno.errorcode.get(number, "unknown")

"""What to do about a cause: by how the checks failed, not by which check it was.

A check's own hint supposes that the check failed in the way that it was written for. Where the program has ended, or a
connection was reset, that hint misleads.
"""

import re

from threadserver.judge.causes import Cause, Kind, ended, exception, headline, said

_MAX_LINE = 65_536  # bytes: the protocol's limit
_CLIENT_GONE = (
    "A client that has gone must not end anything else: catch OSError around each conversation, close its socket, and "
    "go on."
)
_WOULD_BLOCK = (
    "BlockingIOError (EAGAIN) means: nothing can be read or sent now. The client has not gone. Wait until the socket "
    "is ready. BlockingIOError is an OSError, too."
)
_INTERRUPTED = (
    "A signal interrupted the call (EINTR), SIGCHLD for example. Nothing is wrong: make the call again, or install "
    "the handler with SA_RESTART."
)
_NOT_LISTENING = (
    "The socket does not listen. shutdown() ends listening in all processes that share the socket; close() closes it "
    "in this process alone."
)
_BY_ERROR = {
    "Address already in use": "Set SO_REUSEADDR on the listening socket before bind(): old connections hold the port "
    "for a minute. And bind it only once.",
    "Interrupted system call": _INTERRUPTED,
    "Bad file descriptor": "The socket is closed already, by this task or by another one that shares it.",
    "Too many open files": "Every connection that is not closed keeps a descriptor: close each when its conversation "
    "is over.",
}
_BY_EXCEPTION = {
    "SyntaxError": "Python cannot read the file, so nothing has run.",
    "IndentationError": "Python cannot read the file, so nothing has run.",
    "TabError": "Python cannot read the file, so nothing has run.",
    "BlockingIOError": _WOULD_BLOCK,
    "InterruptedError": _INTERRUPTED,
    "ConnectionResetError": _CLIENT_GONE,
    "BrokenPipeError": _CLIENT_GONE,
    "ConnectionAbortedError": _CLIENT_GONE,
}
_BY_SIGNAL = {
    "13": "SIGPIPE: the program sent to a client that has gone. Ignore SIGPIPE, or send with MSG_NOSIGNAL.",
    "11": "Build it with -g -fsanitize=address,undefined and run it by hand: it names the line.",
    "6": "Build it with -g -fsanitize=address,undefined and run it by hand: it names the line.",
}
_BY_HAND = "`threadserver lab run` starts your program, lets 2 clients talk to it, and shows what it prints."
_CLOSE = (
    "The client sees the end only when every process that has the connection open has closed it. Close it on every way "
    "out of the conversation (with, finally)."
)
_CLOSED_EARLY = (
    "Your server closed while it still owed an answer. Find what ends the conversation: an exception that is caught "
    "(BlockingIOError is an OSError, too), a line that is taken for the end, a loop that stops."
)
_RESET = (
    "close() with unread input, or SO_LINGER of 0, resets the connection and throws away what has not been delivered "
    "yet. Read to the end first, or shutdown(SHUT_WR) and then read."
)
_UNREAD = (
    "Bytes that have come stay unread while your server waits for events. Edge-triggered epoll tells of them once: "
    "then read until recv() raises BlockingIOError. Otherwise watch the connection for reading again."
)
_COMPLAIN = (
    "Catch every error in one place, around the whole conversation. sys.exit('text') prints the text on standard error "
    "and exits with code 1."
)
_ACCEPT = (
    "Go back to accept() after each client, or let another task do it. With select(), make the sets again before each "
    "call, with the listening socket in them."
)


def hint(cause: Cause) -> str:
    """Return what to do about a cause; the leading check's own hint where nothing more is known."""
    return _by_end(cause) if cause.kind in {Kind.EXCEPTION, Kind.ENDED} else _by_failure(cause)


def _by_end(cause: Cause) -> str:
    lead, raised, how = cause.lead, exception(cause.lead), ended(cause.lead)
    words = raised.text if raised else said(lead)
    if "Invalid argument" in words and "accept(" in (raised.source if raised else words):
        return _NOT_LISTENING
    for text, told in _BY_ERROR.items():
        if text in words:
            return told
    if raised:
        return _BY_EXCEPTION.get(raised.kind, f"Start with that line of {raised.file}. {_BY_HAND}")
    if by := re.match(r"by signal (\d+)", how):
        return _BY_SIGNAL.get(by[1], _BY_HAND)
    if how.startswith("with exit code 0") and len(cause.checks) > 1:
        return "The program came to its end, or called exit(). Call accept() in a loop that never ends."
    return lead.hint if len(cause.checks) == 1 else _BY_HAND


def _by_failure(cause: Cause) -> str:
    lead, message = cause.lead, headline(cause.lead)
    found = re.search(r"ERROR line longer than (\d+) bytes", message)
    if found and cause.kind is Kind.ERROR and int(found[1]) != _MAX_LINE:
        return f"A line may have {_MAX_LINE} bytes, its LF included. Your server's limit is {found[1]}."
    if cause.kind is Kind.COMPLAINT and len(cause.checks) > 1:
        return _COMPLAIN
    if cause.kind is Kind.UNREAD:
        return _UNREAD
    if cause.kind is Kind.LEFT_OPEN:
        return lead.hint if "The client has closed" not in message and "nothing came" not in message else _CLOSE
    if re.match(r"client \d+ ", message):
        if "reset the connection" in message:
            return _RESET
        if re.search(r"(same line|every line|back whole|answers).*closed the connection", message):
            return _CLOSED_EARLY
        if re.search(r"expected HELLO; nothing came(\. Client \d+ waits to be accepted, but no task|$)", message):
            return _ACCEPT if lead.name != "greeting" else lead.hint
    return lead.hint

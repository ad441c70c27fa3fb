"""Shared checks for every server lab, part two: clients leave in every possible way, and the server goes on.

They must leave nothing behind, and the server can be killed and restarted at once. 9 points in total.
"""

from threadserver.judge.checks.conversation import LONG, text
from threadserver.judge.checks.leaks import must_keep_nothing
from threadserver.judge.marking import points
from threadserver.judge.peer import Peer
from threadserver.judge.trial import Trial

__all__ = [
    "test_goes_on",
    "test_leaving",
    "test_left_behind",
    "test_restart",
]


@points(
    3,
    "a client that leaves or vanishes at any moment does not end the server",
    after="echo",
    hint=(
        "recv() and send() raise ConnectionResetError or BrokenPipeError when a client is gone: catch OSError around "
        "each conversation, close its socket, and go on. In C: ignore SIGPIPE, or send with MSG_NOSIGNAL."
    ),
)
def test_leaving(server: Trial) -> None:
    """Leave before reading HELLO, before CONFIRM, inside a line, and with answers unread; by close and by reset."""
    for leave in (Peer.close, Peer.reset):
        leave(server.connect())
        peer = server.connect()
        peer.hello()
        leave(peer)
        peer = server.greet()
        peer.send(b"half a li")
        leave(peer)
        peer = server.greet(small_buffer=True)
        peer.push(text(server, LONG) + b"\n")
        leave(peer)
        server.settle()
        peer = server.greet(small_buffer=True)
        peer.send(text(server, LONG) + b"\n", reading=False)
        peer.half_close()  # then the next send() raises SIGPIPE (a broken pipe), unless it is ignored
        server.settle()
        leave(peer)
        server.settle()
        peer = server.greet()
        peer.ask(b"is anybody there?")
        peer.close()
    peer = server.connect()
    peer.hello()
    peer.half_close()
    peer.expect_last_words("half-closed without CONFIRM")


@points(
    2,
    "the server keeps listening while clients come and go, one after another",
    after="echo",
    hint="Call accept() in a loop that never ends.",
)
def test_goes_on(server: Trial) -> None:
    """Let 70 to 90 clients come and go."""
    server.come_and_go(server.some(70, 90))


@points(
    2,
    "nothing is left of clients that have gone: no descriptors, threads or children",
    after="echo",
    hint=(
        "Close the connection on every way out of the conversation (with, finally), let threads end, wait for children."
    ),
)
def test_left_behind(server: Trial) -> None:
    """Let many clients leave in every possible way, and compare what the server holds before and after."""
    must_keep_nothing(server)


@points(
    2,
    "killed and restarted at once, it listens on the same port",
    after="echo",
    hint="Set SO_REUSEADDR before bind(): connections of the killed server are still in TIME_WAIT.",
)
def test_restart(server: Trial) -> None:
    """Kill it while a client is connected: the server's end closes first, and stays in TIME_WAIT for a minute."""
    peer = server.greet()
    server.restart(lambda: peer.expect_end("was connected when the server was killed"))
    server.greet().ask(b"again")

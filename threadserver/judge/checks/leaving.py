"""The checks that every server lab shares, second part: clients leave in every way there is, and the server goes on.

Nothing of them may be left behind, and the server can be killed and started again at once. 9 points together.
"""

from threadserver.judge.checks.conversation import LONG, text
from threadserver.judge.marking import points
from threadserver.judge.outcomes import WrongError
from threadserver.judge.peer import Peer
from threadserver.judge.trial import Trial

__all__ = [
    "test_goes_on",
    "test_leaving",
    "test_left_behind",
    "test_restart",
]

MANY = 40  # clients of one kind, one after another: what is left behind by each adds up
PATIENCE = 200  # chances that a server is given to let go of what clients have left


@points(
    3,
    "clients that leave at any moment, or vanish, do not end the server",
    after="echo",
    hint=(
        "recv() and send() raise ConnectionResetError or BrokenPipeError when a client is gone: catch OSError "
        "around one "
        "conversation, close its socket, and go on. In C: ignore SIGPIPE, or send with MSG_NOSIGNAL."
    ),
)
def test_leaving(server: Trial) -> None:
    """Leave before HELLO was read, before CONFIRM, in a line, with answers unread; by close and by reset."""
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
        peer.half_close()  # to the server's kernel it is a broken pipe then: SIGPIPE, where nobody has ignored it
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
    "the listening socket keeps listening: clients come and go, one after another",
    after="echo",
    hint="accept() stands in a loop, and the loop has no end.",
)
def test_goes_on(server: Trial) -> None:
    """Let more clients come than anyone would count to."""
    server.come_and_go(server.some(70, 90))


@points(
    2,
    "what clients leave behind is let go: descriptors, threads, children",
    after="echo",
    hint=(
        "Close the connection on every way out of the conversation (with, finally); let threads end; wait for children."
    ),
)
def test_left_behind(server: Trial) -> None:
    """Let many clients end in each of the ways there are, and compare what the server holds then."""
    server.come_and_go(MANY // 2)
    before = server.possessions()
    for how, leave in LEAVING.items():
        server.come_and_go(MANY, leave)
        grown = ""
        for chance in range(PATIENCE):
            server.settle()
            grown = server.possessions().grown_beyond(before, MANY // 2)
            if not grown:
                break
            if chance % 20 == 19:  # one that reaps or collects when the next client comes
                server.come_and_go(1)
        if grown:
            raise WrongError(f"{MANY} clients {how} and are gone, and your server still has {grown}",
                             server.situation().text())  # fmt: skip


def _leave_half_closed(peer: Peer) -> None:
    peer.half_close()
    peer.expect_end("half-closed")
    peer.close()


def _leave_in_a_line(peer: Peer) -> None:
    peer.send(b"not the whole li")
    peer.close()


LEAVING = {
    "closed": Peer.close,
    "half-closed, then closed": _leave_half_closed,
    "left in the middle of a line": _leave_in_a_line,
    "reset the connection": Peer.reset,
}


@points(
    2,
    "killed and started again at once, it listens on the same port",
    after="echo",
    hint="Set SO_REUSEADDR before bind(): connections of the server before are still in TIME_WAIT.",
)
def test_restart(server: Trial) -> None:
    """Kill it while a client is connected: its end closes first, and stays in TIME_WAIT for a minute."""
    peer = server.greet()
    server.restart(lambda: peer.expect_end("was connected when the server was killed"))
    server.greet().ask(b"again")

"""Shared checks for every lab whose server serves many clients at once: 25 points in total.

They depend on order, never on time: a client pauses exactly where it could hold up the others, and the others must
still be answered.
"""

from threadserver.judge.checks.conversation import LONG, MORE, text
from threadserver.judge.checks.stuck import must_serve_when_stuck
from threadserver.judge.marking import points
from threadserver.judge.peer import Peer
from threadserver.judge.trial import Trial
from threadserver.kernel.testimony import Model

__all__ = [
    "early_clients",
    "have_talked",
    "late_clients",
    "one_made_for_each",
    "test_many_at_once",
    "test_silent_client",
    "test_unread_answers",
]

LINES = (80, 120)
"""Lines that a client has said before it is observed late."""


@points(
    10,
    "many clients are served at once, in any order",
    after="echo",
    hint=(
        "While one client is silent, another must be answered. The task that accepts must not converse, and no lock "
        "may be held during a conversation."
    ),
)
def test_many_at_once(server: Trial) -> None:
    """Hold some clients, and let them talk in a random order; in the end all send before any of them reads."""
    peers = server.hold(server.some(20, 28))
    server.ask_in_any_order(peers, rounds=3)
    for peer in peers:
        peer.send(b"all at once %d\n" % peer.number)
    for peer in reversed(peers):
        line = b"all at once %d" % peer.number
        peer.expect(
            line + b"\n", "sent a line, as all others did, and expected it back before the clients that came earlier"
        )


@points(
    10,
    "a silent client holds up no other client",
    after="many_at_once",
    hint=(
        "Waiting for CONFIRM or for the rest of a line is part of the conversation: it belongs to the worker, "
        "never to the task that accepts."
    ),
)
def test_silent_client(server: Trial) -> None:
    """Hold clients that have not confirmed, or that stopped inside a line; serve others; then let the first go on."""
    silent = [server.connect() for _ in range(3)]
    for peer in silent:
        peer.hello()
    silent[1].send(b"CONF")
    in_a_line = server.greet()
    in_a_line.send(b"half a li")
    server.settle()
    for _ in range(3):  # cleaning up after a client that has gone must not wait for a silent one
        server.come_and_go(1)
        server.settle()
    server.ask_in_any_order(server.hold(6), rounds=2)
    in_a_line.send(b"ne\n")
    in_a_line.expect(b"half a line\n", "sent the rest of its line and expected the whole line back")
    silent[0].confirm()
    assert silent[1].greeting is not None  # noqa: S101
    silent[1].send(b"IRM %d\n" % silent[1].greeting.connection)
    silent[2].confirm()
    server.ask_in_any_order(silent)


@points(
    5,
    "a client that does not read its answers holds up no other client",
    after="many_at_once",
    hint=(
        "send() blocks when the client's buffer is full. It may block the client's own worker, but no other; an event "
        "loop must keep the rest and wait until the socket is writable."
    ),
)
def test_unread_answers(server: Trial) -> None:
    """Ask for more than all buffers hold, then for a little more, and do not read until others have been served."""
    deaf = server.greet(small_buffer=True)
    line = text(server, LONG)
    deaf.send(line + b"\n", reading=False)
    server.settle()
    deaf.send(MORE, reading=False)
    server.settle()
    server.ask_in_any_order(server.hold(6), rounds=2)
    deaf.read_slowly(line + b"\n" + MORE, "read its answer only after others had been served, and expected it whole")
    deaf.ask(b"and a short one")


LATE = 110, 310
"""Clients that come and go before a server is looked at once more, at least and at most."""


def early_clients(server: Trial) -> list[Peer]:
    """Let a few clients come and go, then hold 20 to 28.

    Before that, hold 2 or 3, and expect the lab's model: a server must not need a crowd to use it.
    """
    server.come_and_go(server.some(3, 6))
    if server.model and not server.patience.restless:
        few = server.hold(server.some(2, 3))
        server.serving(few).must_be()
        for peer in few:
            peer.close()
    return server.hold(server.some(20, 28))


def late_clients(server: Trial) -> list[Peer]:
    """Let some hundred clients come and go, then hold 40 to 60, and let them talk.

    This exposes a server that counts clients, or a client's lines, and treats later ones differently.
    """
    server.come_and_go(server.some(*LATE))
    peers = server.hold(server.some(40, 60))
    have_talked(server, peers)
    return peers


def have_talked(server: Trial, peers: list[Peer]) -> None:
    """Let each client say a hundred short lines at once, and get its answers, if the server is able to."""
    for peer in peers if server.many_lines else ():
        peer.note("says a hundred lines")
        lines = b"".join(b"%x\n" % server.random.randrange(10**9) for _ in range(server.some(*LINES)))
        peer.send(lines)
        peer.expect(lines, "sent a hundred lines at once, and expected every one back")


def one_made_for_each(server: Trial, model: str = "", what: str = "") -> None:
    """Expect that each client is served, from HELLO on, by a new task of its own: a thread or a process.

    ``model`` defaults to the lab's; ``what`` names the task in messages: thread, process.
    """
    model = model or server.model
    peers = early_clients(server)
    server.serving(peers).must_be(model)
    must_serve_when_stuck(server)
    for peer in peers:
        peer.close()
    server.settle()
    server.must_greet_by_new(what or ("process" if model == Model.FORKS else "thread"))

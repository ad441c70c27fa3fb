"""What the lab `select` checks: the conversation, many clients at once, and that one task waits for all of them."""

from threadserver.judge import WrongError, points
from threadserver.judge.common import (  # the conversation: 45 points
    LONG,
    test_any_bytes,
    test_confirmation,
    test_description,
    test_echo,
    test_goes_on,
    test_greeting,
    test_half_close,
    test_leaving,
    test_left_behind,
    test_listens,
    test_long_lines,
    test_numbers,
    test_pieces,
    test_restart,
    test_several_lines,
    test_slow_reader,
    test_worker,
    text,
)
from threadserver.judge.concurrent import (  # many clients at once: 25 points
    test_many_at_once,
    test_silent_client,
    test_unread_answers,
)
from threadserver.judge.peer import Peer
from threadserver.judge.rest import must_rest
from threadserver.judge.talking import Talk, talking_without_end
from threadserver.judge.trial import Trial

LOOKS = 30  # chances to see the task wait
CHANCES = 6
A_TURN = 4_000_000  # bytes: no server that takes turns has so much to do for one client before it comes to the next


@points(
    12,
    "one task serves all clients, and waits for all of them at once",
    after="many_at_once",
    hint="select(), poll(), epoll or selectors, one call for all sockets, is the only place in which the task waits. No thread, "
    "no fork, and no nap: a task that asks everybody in turn does not wait for anybody.",
)
def test_model(server: Trial) -> None:
    """Hold clients, and see which task answers them, and in which call it waits meanwhile."""
    server.come_and_go(server.some(3, 6))
    peers = server.hold(server.some(20, 28))
    server.serving(peers).must_be("event-loop")
    _waits_for_all(server, peers)


def _waits_for_all(server: Trial, peers: list[Peer]) -> None:
    """See the task in one call that waits for every client. One that only runs is left to the check `idle`."""
    elsewhere = ""
    for _ in range(LOOKS):
        server.settle()
        situation = server.situation()
        if situation.look.hidden or all(situation.waiting_for(peer.number) for peer in peers):
            return
        if not situation.look.running:
            elsewhere = situation.text()
    if elsewhere:
        raise WrongError(f"{len(peers)} clients are held, and no call waits for all of them", elsewhere)


@points(
    6,
    "it is still so late in the server's life, and with more clients",
    after="model",
    hint="Every connection is treated alike: no counter decides what becomes of a client.",
)
def test_late(server: Trial) -> None:
    """Let a hundred and more clients come and go; then hold more than anyone would count to."""
    server.come_and_go(server.some(110, 140))
    peers = server.hold(server.some(40, 60))
    server.ask_in_any_order(peers)
    server.serving(peers).must_be("event-loop")
    _waits_for_all(server, peers)


@points(
    4,
    "a client that sends without end takes turns with the others",
    after="many_at_once",
    hint="For each ready client do one recv() and one send(), then go on to the next. Whoever reads from one client until nothing "
    "is left may never come to an end.",
)
def test_one_client_cannot_starve(server: Trial) -> None:
    """Let one client send lines and read answers without end; those who came before it and after it ask something."""
    polite = server.hold(2)
    greedy = server.greet()
    polite += server.hold(2)
    with talking_without_end(greedy) as talk:
        for peer in server.random.sample(polite, len(polite)):
            _gets_its_turn(peer, talk)


def _gets_its_turn(peer: Peer, talk: Talk) -> None:
    """Ask some times: at least once the answer comes before the client that talks has been served very much."""
    for _ in range(CHANCES):
        before = talk.progress
        peer.ask(b"when is it my turn?")
        if talk.progress - before < A_TURN:
            return
    raise peer.wrong(
        f"{peer.name} asked {CHANCES} times, and each time more than {A_TURN} bytes were served to a client that sends "
        "without end before it was answered"
    )


@points(
    4,
    "while nobody says anything, it rests",
    after="many_at_once",
    hint="A socket nearly always has room: wait for it to be writable only while there is something to write. select() without a "
    "time-out, or with a long one, waits until something has happened; with 0 it never waits.",
)
def test_idle(server: Trial) -> None:
    """Hold clients that are silent, and look whether anything runs."""
    peers = server.hold(6)
    server.ask_in_any_order(peers)
    must_rest(server, "6 clients are connected and silent")
    server.ask_in_any_order(peers)


@points(
    4,
    "while a client does not read its answers, it rests",
    after="unread_answers",
    hint="Whom you do not want to read from now, because much is owed or the end has come, you must not wait to be readable "
    "either: select() returns at once, again and again.",
)
def test_write_interest(server: Trial) -> None:
    """Let clients leave answers unread: one goes on sending, one half-closes. Nothing can be done for them."""
    talks, ends = server.greet(small_buffer=True), server.greet(small_buffer=True)
    line = text(server, LONG)
    for peer in (talks, ends):
        peer.send(line + b"\n", reading=False)
        server.settle()
    talks.send(b"and more\n", reading=False)
    ends.half_close()
    must_rest(server, "two clients do not read their answers, of whom one sends more and one has half-closed")
    for peer, rest in ((talks, b"and more\n"), (ends, b"")):
        peer.read_slowly(line + b"\n" + rest, "had not read its answers for a while, and expected them whole")
    ends.expect_end("half-closed and has read all its answers")

"""Shared checks for labs in which one task serves all clients: it takes turns, and it rests. 12 points in total.

`must_loop` also checks the call in which the task waits; each lab's rubric says which call it must be.
"""

import time
from collections.abc import Set as AbstractSet

from threadserver.judge.checks.accepting import must_accept_itself
from threadserver.judge.checks.conversation import LONG, MORE, text
from threadserver.judge.checks.rest import must_rest
from threadserver.judge.checks.stuck import must_serve_when_stuck
from threadserver.judge.checks.talking import Talk, talking_without_end
from threadserver.judge.marking import points
from threadserver.judge.outcomes import UndeterminedError, WrongError
from threadserver.judge.peer import Peer
from threadserver.judge.situation import Situation
from threadserver.judge.trial import Trial
from threadserver.kernel.call_trace import every_call
from threadserver.kernel.syscalls import READINESS

__all__ = [
    "must_loop",
    "test_idle",
    "test_one_client_cannot_starve",
    "test_write_interest",
]

LOOKS = 30  # chances to see the task wait
CHANCES = 6
A_MOMENT = 0.25  # seconds in which no client sends anything
ROUNDS = 2  # vain reads from each client in that time
A_TURN = 4_000_000  # bytes: a server that takes turns never does more for one client before it comes to the next


def must_loop(server: Trial, peers: list[Peer], model: str = "", calls: AbstractSet[str] = READINESS) -> None:
    """Expect that the lab's model serves these held clients, and that one of ``calls`` waits until each can be read.

    It must also wait for all of them while another client does not read a large answer. A task that never waits is left
    to the check `idle`. Raises WrongError, or UndeterminedError if the call cannot be seen.
    """
    serving = server.serving(peers)
    serving.must_be(*([model] if model else []))
    if len(serving.workers) == 1:
        must_accept_itself(server, serving)
    _must_wait(server, peers, calls)
    _must_not_ask_around(server, peers)
    must_serve_when_stuck(server, peers)


def _must_wait(server: Trial, peers: list[Peer], calls: AbstractSet[str]) -> None:
    elsewhere = ""
    for _ in range(LOOKS):
        server.settle()
        situation = server.situation()
        waiting = [situation.reading_from(peer.number) for peer in peers]
        if situation.look.hidden or all(waiting):
            _must_be_in(calls, situation, {task.call.name for tasks in waiting for task in tasks})
            return
        if not situation.look.running:
            elsewhere = situation.text()
    if elsewhere:
        raise WrongError(f"{len(peers)} clients are held, and no call waits for all of them until they can be read",
                         elsewhere)  # fmt: skip


def _must_not_ask_around(server: Trial, peers: list[Peer]) -> None:
    """Expect that no task tries to read from each client in turn while all are silent: that is polling, not waiting."""
    server.settle()
    with every_call(server.task_ids) as seen:
        time.sleep(A_MOMENT)
    for tid, tries in seen.in_vain.items():
        if tries >= ROUNDS * len(peers):
            situation = server.situation()
            raise WrongError(
                f"While all {len(peers)} clients were silent, {situation.name_of(seen.id_of(tid))} woke up again and "
                f"again and tried {tries} times to read from one of them: it polls every client in turn",
                situation.text(),
            )


def _must_be_in(calls: AbstractSet[str], situation: Situation, seen: AbstractSet[str]) -> None:
    if calls >= READINESS:
        return
    if situation.look.hidden:
        raise UndeterminedError("This machine does not show the call in which your server waits", situation.text())
    if other := seen - calls:
        raise WrongError(
            f"Expected: the call that waits for the clients is {' or '.join(sorted(calls))}. "
            f"Seen: it is {' and '.join(sorted(other))}",
            situation.text(),
        )


@points(
    4,
    "a client that sends endlessly takes turns with the others",
    after="many_at_once",
    hint="For each ready client do one recv() and one send(), then go on to the next. A loop that reads from one "
    "client until nothing is left may never end.",
)
def test_one_client_cannot_starve(server: Trial) -> None:
    """Let one client send lines and read answers endlessly, while clients from before and after it ask something."""
    polite = server.hold(2)
    greedy = server.greet()
    polite += server.hold(2)
    with talking_without_end(greedy) as talk:
        for peer in server.random.sample(polite, len(polite)):
            _gets_its_turn(peer, talk)


def _gets_its_turn(peer: Peer, talk: Talk) -> None:
    """Ask up to 6 times: at least 1 answer must come before the endless client has been served too many bytes."""
    for _ in range(CHANCES):
        before = talk.progress
        try:
            peer.ask(b"when is it my turn?")
        except WrongError as error:
            raise WrongError(f"While another client sends endlessly, {error}", error.evidence) from error
        if talk.progress - before < A_TURN:
            return
    raise peer.wrong(
        f"{peer.name} asked {CHANCES} times, and each time a client that sends endlessly was served more than "
        f"{A_TURN} bytes before {peer.name} was answered"
    )


@points(
    4,
    "while all clients are silent, the server rests",
    after=("many_at_once", "rests"),
    hint="A socket is nearly always writable: ask for that only while you have something to write. A call without a "
    "time-out, or with a long one, waits until something happens; with a time-out of 0 it never waits.",
)
def test_idle(server: Trial) -> None:
    """Hold silent clients, and look whether any task runs."""
    peers = server.hold(6)
    server.ask_in_any_order(peers)
    must_rest(server, "6 clients are connected and silent")
    server.ask_in_any_order(peers)


@points(
    4,
    "while a client does not read its answers, the server rests",
    after="unread_answers",
    hint="While you do not want to read from a client (you owe it much, or it has half-closed), do not wait for it to "
    "be readable: the call that waits (select(), say) would return at once, again and again.",
)
def test_write_interest(server: Trial) -> None:
    """Let 2 clients leave answers unread: one goes on sending, one half-closes. The server can only wait."""
    talks, ends = server.greet(small_buffer=True), server.greet(small_buffer=True)
    line = text(server, LONG)
    for peer in (talks, ends):
        peer.send(line + b"\n", reading=False)
        server.settle()
    talks.send(MORE, reading=False)
    ends.half_close()
    must_rest(server, "2 clients do not read their answers (one sends more, one has half-closed)")
    for peer, rest in ((talks, MORE), (ends, b"")):
        peer.read_slowly(line + b"\n" + rest, "had not read its answers for a while, and expected them whole")
    ends.expect_end("half-closed and read all its answers")

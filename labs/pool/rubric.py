"""What the lab `pool` checks: the conversation, and that 2 to 16 workers serve a client each while all others wait."""

from threadserver.judge import WrongError, points
from threadserver.judge.common import (  # the conversation: 45 points
    LONG,
    MAX_LINE,
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
from threadserver.judge.peer import Peer
from threadserver.judge.queueing import MOST, as_many_as, crowd, fill, greeted, next_in_line, no_more_than
from threadserver.judge.trial import Trial

POOLS = ("thread-pool", "prefork")
SPARE = 2  # tasks that may come beside the workers: a timer, one that accepts


@points(
    15,
    "between 2 and 16 clients are served at once, and those beyond wait for their HELLO",
    after="echo",
    hint="Start the workers before the first client comes, and let each of them take a client, hold the whole conversation, HELLO "
    "included, and take the next. Who accepts must not wait for a worker to finish with one client before the next is taken.",
)
def test_workers(server: Trial) -> None:
    """Let clients come until one is not greeted; those who are talk in any order, and the others still wait.

    Then as many come again, and confirm in any order when all have been greeted.
    """
    full = fill(server)
    if len(full.served) > MOST:
        raise WrongError(
            f"{len(full.served)} clients came, and all were greeted: that is no pool of 2 to {MOST} workers",
            server.situation().text(),
        )
    if len(full.served) < 2:
        raise full.waiting[0].in_vain("One client is served, and the second waits: that is no pool of 2 workers")
    server.ask_in_any_order(full.served, rounds=2)
    for peer in full.waiting:
        peer.expect_nothing("all workers are taken")
    full.leave()
    server.settle()
    together = as_many_as(server, len(full.served), "when they have left")
    for peer in server.random.sample(together, len(together)):
        peer.greet()
    server.ask_in_any_order(together)


@points(
    10,
    "there are never more workers, whatever comes",
    after="workers",
    hint="A queue between accept() and the workers, or workers that accept themselves: the clients wait, and nothing is made for "
    "them. Counting the workers and making one more must be one step.",
)
def test_bounded(server: Trial) -> None:
    """Let a crowd come while all workers are taken, and then another one all at once when they are free."""
    full = fill(server)
    before = server.possessions()
    full.waiting += crowd(server, server.some(24, 32))
    no_more_than(server, len(full.served), full.waiting, "with many more who wait")
    now = server.possessions()
    if now.tasks > before.tasks + SPARE:
        raise WrongError(
            f"{now.tasks - before.tasks} more threads or processes were made for {len(full.waiting)} clients who wait",
            server.situation().text(),
        )
    full.leave()
    server.settle()
    burst = crowd(server, server.some(36, 44))
    served = greeted(server, burst)
    if len(served) > len(full.served):
        rest = [peer for peer in burst if peer not in served[: len(full.served)]]
        no_more_than(server, len(full.served), rest, "when many come at once")


@points(
    10,
    "whoever waits is served as soon as a worker is free",
    after="workers",
    hint="When a conversation is over the worker takes the next client at once; it does not wait for other workers to finish.",
)
def test_next_in_line(server: Trial) -> None:
    """Let those who are served leave one by one: each time one of those who wait is next, and only one."""
    full = fill(server)
    leaving = [Peer.close, _half_close]
    while full.waiting:
        gone = full.served.pop(server.some(0, len(full.served) - 1))
        leaving[len(full.waiting) % len(leaving)](gone)
        full.served.append(next_in_line(server, full.waiting, f"{gone.name} has left, so a worker is free"))
        for peer in full.waiting:
            peer.expect_nothing("all workers are taken again")
        server.ask_in_any_order(full.served)


def _half_close(peer: Peer) -> None:
    peer.half_close()
    peer.expect_end("half-closed")


@points(
    8,
    "a worker survives what its client does",
    after="workers",
    hint="An exception ends a thread, and nobody takes its place: catch OSError around each conversation, inside the loop. What "
    "counts free workers must be put right on every way out: finally.",
)
def test_survives(server: Trial) -> None:
    """Let every worker have a client that does something wrong, in each of some ways; then as many are served."""
    full = fill(server)
    count = len(full.served)
    full.leave()
    server.settle()
    after = "when they have left"
    for what, do in FAULTS.items():
        peers = as_many_as(server, count, after)
        for peer in peers:
            do(server, peer)
        server.settle()
        after = f"after each of them has had a client that {what}"
    for peer in as_many_as(server, count, after):
        peer.greet().ask(b"as before")


def _resets_at_once(_: Trial, peer: Peer) -> None:
    peer.hello()
    peer.reset()


def _confirms_wrongly(_: Trial, peer: Peer) -> None:
    number = peer.hello().connection
    peer.send(b"hello\n")
    peer.expect_error(f"confirmation expected: CONFIRM {number}", "sent hello instead of CONFIRM")
    peer.close()


def _resets_in_a_line(_: Trial, peer: Peer) -> None:
    peer.greet().send(b"half a li")
    peer.reset()


def _never_ends_its_line(_: Trial, peer: Peer) -> None:
    peer.greet().send(b"x" * (MAX_LINE + 4096))
    peer.expect_error(f"line longer than {MAX_LINE} bytes", f"sent {MAX_LINE + 4096} bytes without LF")
    peer.close()


def _leaves_its_answer(server: Trial, peer: Peer) -> None:
    peer.greet().send(text(server, LONG) + b"\n", reading=False)
    peer.reset()


FAULTS = {
    "left without CONFIRM": lambda _, peer: peer.close(),
    "reset the connection before CONFIRM": _resets_at_once,
    "confirmed wrongly": _confirms_wrongly,
    "reset the connection in a line": _resets_in_a_line,
    "sent a line that was too long": _never_ends_its_line,
    "reset the connection without reading its answer": _leaves_its_answer,
}


@points(
    8,
    "the same workers serve again and again",
    after="workers",
    hint="A worker is a loop around the conversation: take a client, serve it, take the next. A thread or process made for a client, "
    "however few may be there at once, is another model.",
)
def test_model(server: Trial) -> None:
    """Fill the server again and again, and see which tasks answer, and whether they were there before."""
    fill(server).leave()  # a pool that grows has grown
    first, second = _workers(server), _workers(server)
    if 2 * len(first & second) < len(first):
        raise WrongError(
            f"{len(first)} clients were served by {len(first)} workers, and when all had left, the next {len(second)} by "
            f"{len(second - first)} others",
            server.situation().text(),
        )


def _workers(server: Trial) -> set[tuple[int, int]]:
    """Fill the server, see that it is a pool, and let all go; give the tasks that answered."""
    server.settle()
    full = fill(server)
    serving = server.serving(full.served)
    serving.must_be(*POOLS)
    full.leave()
    return serving.workers


@points(
    4,
    "it is still so late in the server's life",
    after=("model", "bounded"),
    hint="Every client is treated alike: no counter decides what becomes of one.",
)
def test_late(server: Trial) -> None:
    """Let a hundred and more clients come and go: then as many are served at once as before, and by a pool."""
    full = fill(server)
    full.leave()
    server.come_and_go(server.some(160, 190))
    late = fill(server)
    no_more_than(server, len(full.served), late.served[len(full.served) :], "after many clients")
    server.serving(late.served).must_be(*POOLS)

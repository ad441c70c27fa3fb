"""What is left of clients that have gone: descriptors, threads, processes, zombies.

What each client leaves behind adds up. A few more or fewer prove nothing: a thread ends a moment later, a child is
reaped when the next client comes, memory is collected now and then. A leak goes on growing: after each further round
of clients the server holds more than ever before, however long the judge waits.
"""

import time
from collections.abc import Callable
from contextlib import suppress

from threadserver.judge.checks.conversation import LONG, MAX_LINE, text
from threadserver.judge.checks.queueing import fill
from threadserver.judge.outcomes import WrongError
from threadserver.judge.program import Possessions
from threadserver.judge.stillness import PAUSE
from threadserver.judge.trial import Trial
from threadserver.kernel.testimony import Model

POOLS = {Model.POOL, Model.PREFORK}
FIRST = 3
"""Clients of each kind that come first: a server may create things once and keep them."""
OFTEN = 20
"""Clients of each kind in a round. If 1 in 10 leaves something behind, that makes 2."""
SURELY = 20
"""This many things left after 1 round cannot be chance."""
ROUNDS = 4
"""Further rounds if it could be chance: a leak makes the server hold more than ever before in each of them."""
LOOKS = 3  # times that a server may come to rest and still hold it


def _closes(server: Trial) -> None:
    peer = server.greet()
    peer.ask(b"goodbye")
    peer.close()


def _half_closes(server: Trial) -> None:
    peer = server.greet()
    peer.ask(b"goodbye")
    peer.half_close()
    peer.expect_end("half-closed")
    peer.close()


def _leaves_in_a_line(server: Trial) -> None:
    peer = server.greet()
    peer.send(b"not the whole li")
    peer.close()


def _resets(server: Trial) -> None:
    peer = server.greet()
    peer.ask(b"goodbye")
    peer.reset()


def _is_refused(server: Trial) -> None:
    peer = server.connect()
    peer.hello()
    peer.send(b"CONFIRM 0\n")
    peer.has_come(within=PAUSE)
    peer.close()


def _does_not_confirm(server: Trial) -> None:
    peer = server.connect()
    peer.hello()
    peer.close()


def _sends_too_much(server: Trial) -> None:
    peer = server.greet()
    peer.push(b"x" * (MAX_LINE + 1))
    peer.has_come(within=PAUSE)
    peer.close()


def _leaves_its_answer(server: Trial) -> None:
    peer = server.greet(small_buffer=True)
    peer.push(text(server, LONG) + b"\n")
    peer.close()


LEAVING: dict[str, tuple[Callable[[Trial], None], int]] = {
    "closed": (_closes, OFTEN),
    "half-closed, then closed": (_half_closes, OFTEN),
    "left in the middle of a line": (_leaves_in_a_line, OFTEN),
    "reset the connection": (_resets, OFTEN),
    "were refused, because they did not send the right CONFIRM,": (_is_refused, OFTEN),
    "left without CONFIRM": (_does_not_confirm, OFTEN),
    "sent a line that was too long": (_sends_too_much, OFTEN // 2),
    "left without reading their answers": (_leaves_its_answer, OFTEN // 2),
}
"""Every way to leave, and how many clients leave in this way in a round."""


def must_keep_nothing(server: Trial) -> None:
    """Let clients leave in every way, and expect that the server then holds no more than before."""
    if server.model in POOLS:
        with suppress(WrongError):  # whether it is a pool, other checks ask
            fill(server).leave(server)  # after this, a pool that grows on demand has grown
    _round(server, FIRST)
    server.settle()
    held = [before := server.possessions()]
    for number in range(1 + ROUNDS):
        gone = _round(server)
        if not _grown(server, held[-1], 0, patient=not number):
            return
        held.append(server.possessions())
        if held[-1].grown_beyond(before, SURELY) and not number:
            break
    least = ROUNDS if len(held) > ROUNDS else SURELY
    if not _grown(server, before, least, patient=True):
        return
    raise WrongError(_blame(server) or _blame_all(held, gone), server.situation().text())


def _round(server: Trial, each: int = OFTEN) -> int:
    """Let clients leave in every way, at most ``each`` per way, in a random order; return their number."""
    leaves = [leave for leave, many in LEAVING.values() for _ in range(server.fewer(min(many, each)))]
    server.random.shuffle(leaves)
    for leave in leaves:
        leave(server)
    return len(leaves)


def _grown(server: Trial, before: Possessions, allowed: int, *, patient: bool) -> str:
    """Wait until the server holds at most ``allowed`` more than before; return what it still holds beyond that.

    With ``patient`` the wait ends when nothing more can be expected, otherwise when the server has come to rest.
    """
    grown, looks = server.possessions().grown_beyond(before, allowed), 0
    stillness = server.stillness()
    while grown and not stillness.in_vain and (patient or looks < LOOKS):
        if patient:
            stillness.look()
            time.sleep(PAUSE)
        else:
            server.settle()
        looks += 1
        grown = server.possessions().grown_beyond(before, allowed)
    if grown and patient and not allowed:
        server.come_and_go(1)  # some servers reap or collect when the next client comes
        server.settle()
        grown = server.possessions().grown_beyond(before, allowed)
    return grown


def _blame(server: Trial) -> str:
    """Return a sentence on the way to leave that always leaves something behind; empty when there is none."""
    many = OFTEN // 2
    for how, (leave, _) in LEAVING.items():
        server.settle()
        before = server.possessions()
        for _ in range(many):
            leave(server)
        if grown := _grown(server, before, many // 2, patient=False):
            return f"{many} clients {how} and are gone, but your server still has {grown}"
    return ""


def _blame_all(held: list[Possessions], gone: int) -> str:
    """Return a sentence on how its possessions have grown, round after round."""
    first, last = held[0], held[-1]
    kinds = {"zombies": "zombies", "processes": "processes", "tasks": "threads", "descriptors": "descriptors"}
    what = next(one for one in kinds if getattr(last, one) > getattr(first, one))
    series = ", then ".join(str(getattr(one, what)) for one in held)
    return (
        f"Each time {gone} clients have come and gone, in every possible way, your server holds more "
        f"{kinds[what]}: {series}"
    )

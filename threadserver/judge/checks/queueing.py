"""Clients that wait for a worker: how many a server serves at once, and which client is next when a worker is free.

The number of workers is not known in advance. So clients come one at a time, until one is not greeted although the
server has come to rest: then all workers are busy.
"""

import select
import time
from dataclasses import dataclass

from threadserver.judge.outcomes import WrongError
from threadserver.judge.peer import PATIENCE, Peer
from threadserver.judge.stillness import PAUSE
from threadserver.judge.transcript import shown
from threadserver.judge.trial import Trial

MOST = 16
"""Workers that a pool may have."""
BEYOND = 3
"""Clients that come when all workers are busy."""
SURE = 3
"""A client counts as waiting when the server has come to rest this many times in a row."""


@dataclass(slots=True)
class Full:
    """A server whose workers are all busy. ``served`` have confirmed, ``waiting`` have not been greeted yet."""

    served: list[Peer]
    waiting: list[Peer]

    def outwait(self, seconds: float) -> None:
        """Wait this many seconds, or until a waiting client has been sent something."""
        end = time.monotonic() + seconds
        while time.monotonic() < end and not any(peer.has_come() for peer in self.waiting):
            time.sleep(PAUSE)

    def leave(self, server: Trial) -> None:
        """Let all clients go: the served ones, then each waiting one, greeted and confirmed."""
        for peer in self.served:
            peer.close()
        while self.waiting:
            next_in_line(server, self.waiting, "All served clients have left").close()
        server.settle()


def fill(server: Trial, full: Full | None = None) -> Full:
    """Let clients come until a few wait, or more are served than a pool has workers.

    A greeted client confirms at once: a server allows only a few seconds for that, and the judge may be slow. ``full``
    holds the clients that have come, even if this raises.
    """
    full = full or Full([], [])
    while len(full.waiting) < BEYOND and len(full.served) <= MOST and server.may_wait():
        peer = server.arrive()
        if is_greeted(server, peer):
            full.served.append(peer.greet())
        else:
            full.waiting.append(peer)
    return full


def crowd(server: Trial, count: int) -> list[Peer]:
    """Let ``count`` clients connect at once, or as many as the accept queue has room for."""
    peers: list[Peer] = []
    while len(peers) < count and server.may_wait():
        peers.append(server.connect())
    return peers


def greeted(server: Trial, peers: list[Peer]) -> list[Peer]:
    """Return the clients that have been greeted once the server has come to rest."""
    for _ in range(SURE):
        server.settle()
    return [peer for peer in peers if peer.has_come()]


def is_greeted(server: Trial, peer: Peer) -> bool:
    """Wait until a client is greeted, or the server has come to rest without greeting it."""
    return peer.has_come(within=PAUSE / 5) or bool(greeted(server, [peer]))


def next_in_line(server: Trial, waiting: list[Peer], after: str, *, guess: bool = True) -> Peer:
    """Wait until any waiting client is greeted, and remove it from ``waiting``. ``after`` says why one should be.

    With ``guess``, the error names the bug that it looks like.
    """
    stillness, deadline = server.stillness(), time.monotonic() + PATIENCE
    while not stillness.in_vain and time.monotonic() < deadline:
        stillness.look()
        for peer in waiting:
            if peer.has_come():
                waiting.remove(peer)
                peer.has_waited()
                return peer.greet()
        select.select([peer.socket for peer in waiting], [], [], PAUSE)
    peer = waiting[0]
    raise (peer.in_vain if guess else peer.wrong)(f"{after}, but none of the {len(waiting)} waiting clients is greeted")


def as_many_as(server: Trial, count: int, after: str) -> list[Peer]:
    """Let ``count`` clients come, and expect that all are greeted, as before; ``after`` says what has happened."""
    peers = [server.connect() for _ in range(count)]
    served = greeted(server, peers)
    if len(served) < count:
        missing = next(peer for peer in peers if peer not in served)
        raise missing.in_vain(f"{count} clients were served at once; {after}, only {len(served)} of {count} are")
    return peers


def no_more_than(server: Trial, served: int, peers: list[Peer], when: str) -> None:
    """Expect that none of ``peers`` is greeted in addition to the ``served``; ``when`` describes the situation."""
    beyond = greeted(server, peers)
    if len(beyond) > 0:
        raise WrongError(
            f"{served} clients were served at once, apparently 1 for each worker; {when}, {len(beyond)} more "
            f"are greeted at the same time ({beyond[0].name}: {shown(beyond[0].line('HELLO'))})",
            server.situation().text(),
        )

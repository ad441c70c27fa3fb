"""A second server, started early in a verdict, whose clients are silent while all other checks run.

Some bugs show only after seconds of silence: a time limit for CONFIRM that goes on counting, a second client that is
let in after a while, a pool that grows, a silent client that is handed to another task. So the judge waits for longer
than the protocol's limits, once for all checks that need it, and does its other work meanwhile.
"""

import select
import time
from collections.abc import Callable
from contextlib import suppress

from threadserver.judge.checks.queueing import Full, fill, is_greeted
from threadserver.judge.outcomes import WrongError
from threadserver.judge.peer import Peer
from threadserver.judge.trial import Trial
from threadserver.kernel.testimony import Model

SILENCE = 6.2
"""Seconds of silence after CONFIRM: longer than the 5 s that a server gives a client to confirm."""
SOME = 3
"""Clients that are silent, if the server serves many at once."""
ONE_AT_A_TIME = {Model.ITERATIVE, Model.POOL, Model.PREFORK}
"""Models in which some clients wait until others have gone."""


class Aside:
    """A server whose clients are silent: those that are served have confirmed, the others have not been greeted.

    Of the served clients, the first has sent nothing since CONFIRM, the second has been answered once, and the third
    has stopped inside a line. ``shown`` is called when a check begins to look at them.
    """

    def __init__(self, server: Trial, shown: Callable[[], None] = lambda: None) -> None:
        self.server = server
        self._shown = shown
        self._problem: WrongError | None = None
        self._wrong: WrongError | None = None
        self._full = Full([], [])
        self._begun: dict[int, bytes] = {}
        try:
            if server.model in ONE_AT_A_TIME:
                fill(server, self._full)
            else:
                self._come()
            for before, peer in zip((self._has_asked, self._is_in_a_line), self._full.served[1:], strict=False):
                before(peer)
        except WrongError as error:
            self._problem = error
        self._end = time.monotonic() + SILENCE

    def _come(self) -> None:
        """Let clients come, as long as they are greeted: whether many are served at once is not asked here."""
        self.server.settle()
        self._full.served.append(self.server.arrive().greet())
        while len(self._full.served) < SOME and not self._full.waiting:
            peer = self.server.arrive()
            if is_greeted(self.server, peer):
                self._full.served.append(peer.greet())
            else:
                self._full.waiting.append(peer)

    def _has_asked(self, peer: Peer) -> None:
        peer.ask(b"before a long silence")

    def _is_in_a_line(self, peer: Peer) -> None:
        self._begun[peer.number] = b"half a line before a long silence, "
        peer.send(self._begun[peer.number])

    def outwait(self) -> Full:
        """Wait until all have been silent for `SILENCE` seconds, or the server has sent something to one of them.

        Raises WrongError if not even one client could come.
        """
        self._shown()
        if self._problem and not self._full.served:
            raise self._problem
        sockets = [peer.socket for peer in (*self._full.served, *self._full.waiting)]
        left = self._end - time.monotonic()
        if left > 0:
            select.select(sockets, [], [], left)
        return self._full

    def ask_each(self) -> None:
        """Let each served client send a line after its silence, and expect an answer."""
        full = self.outwait()
        if self._wrong:
            raise self._wrong
        try:
            for peer in sorted(full.served, key=lambda peer: peer.number not in self._begun):  # begun lines first
                self._ask(peer)
        except WrongError as error:
            self._wrong = error
            raise

    def _ask(self, peer: Peer) -> None:
        begun, line = self._begun.pop(peer.number, b""), b"after a long silence"
        if begun:
            peer.send(line + b"\n")
            peer.expect(begun + line + b"\n", "was silent inside a line, sent the rest, and expected it whole")
        else:
            peer.ask(line)

    def must_be(self, *models: str) -> None:
        """Expect that the silent clients, and new ones, are served by the lab's model, or by one of ``models``.

        It does not matter here whether the silent clients are answered at all.
        """
        with suppress(WrongError):
            self.ask_each()
        if not self._wrong:
            self.server.serving(self._full.served + self.server.hold(SOME)).must_be(*models)

"""A second server, started early in a verdict, whose clients are silent while all other checks run.

What a server does only after seconds of silence shows to nobody who does not wait for it: a time limit that was set for
CONFIRM and goes on counting, a second client that is let in after a while, a pool that grows. So the judge waits for
longer than the protocol's limits, once for all checks that need it, and does its other work meanwhile.
"""

import select
import time

from threadserver.judge.checks.queueing import Full, fill
from threadserver.judge.outcomes import WrongError
from threadserver.judge.trial import Trial
from threadserver.kernel.testimony import Model

SILENCE = 6.3
"""Seconds after CONFIRM: longer than the 5 s that a server gives a client for it."""
ONE_AT_A_TIME = {Model.ITERATIVE, Model.POOL, Model.PREFORK}
"""Models in which some clients wait until others have gone."""


class Aside:
    """A server whose clients are silent: ``served`` have confirmed, ``waiting`` have not been greeted."""

    def __init__(self, server: Trial) -> None:
        self.server = server
        self.transcript = server.transcript
        self._problem: WrongError | None = None
        self._full = Full([], [])
        try:
            if server.model in ONE_AT_A_TIME:
                fill(server, self._full)
            else:
                self._full.served.append(server.greet())
        except WrongError as error:
            self._problem = error
        self._end = time.monotonic() + SILENCE

    def outwait(self) -> Full:
        """Wait until all have been silent for long, or the server has sent something to one of them.

        Raises WrongError where no client could even come.
        """
        if self._problem and not self._full.served:
            raise self._problem
        sockets = [peer.socket for peer in (*self._full.served, *self._full.waiting)]
        left = self._end - time.monotonic()
        if left > 0:
            select.select(sockets, [], [], left)
        return self._full

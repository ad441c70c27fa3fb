"""Workloads: what is asked of a server, and which of its services answers it.

==========  ==========================================================================================
echo        a line of random bytes, which must come back
churn       connect, one line, its answer, close: the rate is connections a second
idle        connections that are held open and say nothing, after one line each: for memory
sleep       a number of milliseconds for which the service blocks: a slow back end
spin        a number of milliseconds for which the service computes: the GIL
slow        echo, beside a few clients that send half a line and wait, or do not read their answers
octets      connect, a count n, an answer of n bytes, close: the classic table of server designs
==========  ==========================================================================================

A line of random bytes is another one for each request, so that neither a late answer nor one that belongs to somebody
else passes for the right one.
"""

import random
from collections.abc import Callable
from itertools import cycle, repeat
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from clients.load.plan import Plan

SERVICE = {
    "echo": "echo",
    "churn": "echo",
    "idle": "echo",
    "sleep": "sleep",
    "spin": "spin",
    "slow": "echo",
    "octets": "octets",
}
"""The service of the server that each workload needs."""

WORKLOADS = tuple(SERVICE)

ANEW = ("churn", "octets")
"""Workloads in which each request has a connection of its own."""

MILLISECONDS = {"sleep": 10, "spin": 1}
"""What is asked of these services unless the plan says otherwise."""

Exchange = tuple[bytes, bytes]
"""A line to send and the answer that is due, both with their LF."""

DISTINCT = 4099  # so many different lines are prepared; a prime, so that no number of connections divides it
_MEMORY = 1 << 20  # bytes that they may take together
_NOT_LF = bytes(range(10)) + b"\x0b" + bytes(range(11, 256))


class Requests:
    """What is asked, one exchange after the other, and what passes for an answer."""

    def __init__(self, plan: "Plan") -> None:
        service = SERVICE[plan.workload]
        self.next: Callable[[], Exchange]
        """Give the next exchange: called for each request, so it is an iterator's own method."""
        self._octets = plan.payload if service == "octets" else 0
        if self._octets:
            answer = b"x" * (plan.payload - 1) + b"\n"  # as the kit's service answers; other bytes are right, too
            self.next = repeat((b"%d\n" % plan.payload, answer)).__next__
        elif service in MILLISECONDS:
            line = b"%d\n" % (plan.milliseconds or 0)
            self.next = repeat((line, line)).__next__
        else:
            self.next = cycle([(line, line) for line in random_lines(plan.payload, plan.seed)]).__next__
        line, answer = self.next()
        self.line_size, self.answer_size = len(line), len(answer)

    def is_right(self, answer: bytes, due: bytes) -> bool:
        """Whether an answer that is complete is the one that was due."""
        return answer == due or (self._octets == len(answer) and not answer.startswith(b"ERROR"))


def random_lines(size: int, seed: int) -> list[bytes]:
    """Make different lines of so many bytes, LF included, as many as are of use and fit into a megabyte."""
    source = random.Random(seed)  # noqa: S311
    count = max(7, min(DISTINCT, _MEMORY // size))
    return [source.randbytes(size - 1).translate(_NOT_LF) + b"\n" for _ in range(count)]

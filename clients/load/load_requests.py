"""The requests of a workload, one after the other, and which answers to them are right.

A line of random bytes differs from one request to the next, so that neither a late answer nor another client's answer
is likely to pass for the right one.
"""

import random
from collections.abc import Callable
from itertools import cycle, repeat

from threadserver.clients.load.plan import Plan
from threadserver.clients.load.workloads import MILLISECONDS, SERVICE

_EARLIEST = (
    0.95  # the part of those milliseconds before which an answer is too early: clocks differ by less than the rest
)
DISTINCT_LINES = 251  # different lines to prepare: few enough to stay in the processor's cache
_SEQUENCE_LENGTH = 1 << 15  # lines until the order repeats
_MEMORY_LIMIT = 1 << 20  # bytes for all prepared lines
_NOT_LF = bytes(range(10)) + b"\x0b" + bytes(range(11, 256))


class Requests:
    """The requests, one after the other, and the test for their answers."""

    def __init__(self, plan: Plan) -> None:
        service = SERVICE[plan.workload]
        self.next: Callable[[], bytes]
        """Return the next answer that will be due, LF included. It is an iterator's own method, the cheapest call."""
        self.question: bytes | None = None
        """The request for each answer; None where request and answer are the same."""
        self.least = 0
        """Nanoseconds after the request before which no answer can be right."""
        self._octets = plan.payload if service == "octets" else 0
        if self._octets:
            self.question = b"%d\n" % plan.payload
            # The kit's service answers with these bytes; others are right too: see `is_right`.
            self.next = repeat(b"x" * (plan.payload - 1) + b"\n").__next__
        elif service in MILLISECONDS:
            milliseconds = plan.milliseconds or 0
            self.least = int(_EARLIEST * milliseconds * 1e6)
            self.next = repeat(b"%d\n" % milliseconds).__next__
        else:
            self.next = cycle(_shuffled_sequence(random_lines(plan.payload, plan.seed), plan.seed)).__next__
        self.answer_size = len(self.next())

    def is_right(self, answer: bytes, due: bytes) -> bool:
        """Tell whether a complete answer is the one that was due."""
        return answer == due or (self._octets == len(answer) and not answer.startswith(b"ERROR"))


def random_lines(size: int, seed: int) -> list[bytes]:
    """Return different lines of ``size`` bytes, LF included: as many as are useful and fit into a megabyte."""
    source = random.Random(seed)  # noqa: S311
    count = max(7, min(DISTINCT_LINES, _MEMORY_LIMIT // size))
    return [source.randbytes(size - 1).translate(_NOT_LF) + b"\n" for _ in range(count)]


def _shuffled_sequence(lines: list[bytes], seed: int) -> list[bytes]:
    """Return a long shuffled sequence of lines, in which n connections in turn never see the same line each time.

    Each half is shuffled separately, again and again, so that a line returns only after the whole other half, and an
    answer that is a little late never passes for the right one.
    """
    source = random.Random(seed)  # noqa: S311
    halves = lines[: len(lines) // 2], lines[len(lines) // 2 :]
    return [
        line
        for _ in range(_SEQUENCE_LENGTH // len(lines))
        for half in halves
        for line in source.sample(half, len(half))
    ]

"""The requests of a workload, one after the other, and which answers to them are right.

A line of random bytes differs from one request to the next, so that neither a late answer nor another client's answer
is likely to pass for the right one.
"""

import random
from collections.abc import Callable
from itertools import cycle, repeat

from threadserver.clients.load.plan import Plan
from threadserver.clients.load.workloads import MILLISECONDS, SERVICE

_EARLIEST = 0.95  # of those milliseconds: clocks differ by less than the rest
DISTINCT_LINES = 251  # so many different lines are prepared: few enough to stay in the processor's cache
_SEQUENCE_LENGTH = 1 << 15  # so many are dealt of them until the order repeats itself
_MEMORY_LIMIT = 1 << 20  # bytes that they may take together
_NOT_LF = bytes(range(10)) + b"\x0b" + bytes(range(11, 256))


class Requests:
    """What is asked, one after the other, and what passes for an answer."""

    def __init__(self, plan: Plan) -> None:
        service = SERVICE[plan.workload]
        self.next: Callable[[], bytes]
        """Give the next answer that will be due, LF included. It is an iterator's own method, the cheapest call."""
        self.question: bytes | None = None
        """What is asked for each of them; None where the answer is the same as the question."""
        self.least = 0
        """Nanoseconds after the question before which no answer can be right."""
        self._octets = plan.payload if service == "octets" else 0
        if self._octets:
            self.question = b"%d\n" % plan.payload
            # These bytes are what the kit's service answers; others are right, too: `is_right`.
            self.next = repeat(b"x" * (plan.payload - 1) + b"\n").__next__
        elif service in MILLISECONDS:
            milliseconds = plan.milliseconds or 0
            self.least = int(_EARLIEST * milliseconds * 1e6)
            self.next = repeat(b"%d\n" % milliseconds).__next__
        else:
            self.next = cycle(_shuffled_sequence(random_lines(plan.payload, plan.seed), plan.seed)).__next__
        self.answer_size = len(self.next())

    def is_right(self, answer: bytes, due: bytes) -> bool:
        """Whether an answer that is complete is the one that was due."""
        return answer == due or (self._octets == len(answer) and not answer.startswith(b"ERROR"))


def random_lines(size: int, seed: int) -> list[bytes]:
    """Make different lines of so many bytes, LF included, as many as are of use and fit into a megabyte."""
    source = random.Random(seed)  # noqa: S311
    count = max(7, min(DISTINCT_LINES, _MEMORY_LIMIT // size))
    return [source.randbytes(size - 1).translate(_NOT_LF) + b"\n" for _ in range(count)]


def _shuffled_sequence(lines: list[bytes], seed: int) -> list[bytes]:
    """Deal lines out for a long time: in no order that n connections in turn could see as always the same line each.

    The halves are shuffled by themselves, again and again, so that a line does not come back before the other half
    has gone by, and an answer that is a little too late never passes for the right one.
    """
    source = random.Random(seed)  # noqa: S311
    halves = lines[: len(lines) // 2], lines[len(lines) // 2 :]
    return [
        line
        for _ in range(_SEQUENCE_LENGTH // len(lines))
        for half in halves
        for line in source.sample(half, len(half))
    ]

"""Recording latencies on the hot path: a list takes them, and every few thousand are counted at once.

An HDR histogram recorded in Python costs more than all else that a request costs the generator. So a latency is only
appended to a list, and the list is folded into counts by functions that are written in C. Which bucket a number
belongs to, the processor's own format of it says: the bits of a float are its exponent followed by its mantissa, so its
upper 20 bits are a bucket, 2048 for each power of two (0.05 %). Memory is bounded: a list of `FOLD`, and as many counts
as there are such buckets between a nanosecond and an hour. A fold takes a third of a millisecond.
"""

import struct
from array import array
from collections import Counter
from collections.abc import Mapping
from itertools import repeat
from operator import rshift

FOLD = 4096
"""How many are counted at once."""
_SHIFT = 12  # bits of the mantissa that are dropped
_MIDDLE = 1 << _SHIFT - 1


class Buckets:
    """Counts of latencies in nanoseconds."""

    def __init__(self) -> None:
        self.latest: list[int] = []
        """Nanoseconds are appended here; `fold` is to be called when there are `FOLD` of them."""
        self.counts: Counter[int] = Counter()

    def fold(self) -> None:
        """Count the latest."""
        bits = memoryview(array("f", self.latest)).cast("B").cast("I")
        self.counts.update(map(rshift, bits, repeat(_SHIFT)))
        self.latest.clear()

    def add(self, nanoseconds: int, count: int) -> None:
        """Count so many latencies of the same length at once."""
        (bits,) = struct.unpack("I", struct.pack("f", nanoseconds))
        self.counts[bits >> _SHIFT] += count

    def clear(self) -> None:
        """Forget all."""
        self.latest.clear()
        self.counts.clear()


def nanoseconds(counts: Mapping[int, int]) -> list[tuple[int, int]]:
    """Give the middle of each bucket, in nanoseconds, and how many it holds."""
    return [(round(struct.unpack("f", struct.pack("I", b << _SHIFT | _MIDDLE))[0]), n) for b, n in counts.items()]

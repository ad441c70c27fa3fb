"""Record latencies on the hot path: append each to a list, and count a few thousand at once.

Recording into an HDR histogram in Python would cost the generator more than everything else that it does for a
request. So a latency is only appended to a list, and functions written in C fold the list into counts. The bucket of a
number follows from the processor's own format: the bits of a float are its exponent followed by its mantissa, so the
upper 20 bits name a bucket, 2048 for each power of two (0.05 %). Memory is bounded: a list of `FOLD` latencies, and one
count for each bucket between a nanosecond and an hour. A fold takes a third of a millisecond.
"""

import struct
from array import array
from collections import Counter
from collections.abc import Mapping
from itertools import repeat
from operator import rshift

FOLD = 4096
"""Number of latencies that are counted at once."""
_SHIFT = 12  # the number of mantissa bits to drop
_MIDDLE = 1 << _SHIFT - 1


class Buckets:
    """Counts of latencies in nanoseconds."""

    def __init__(self) -> None:
        self.latest: list[int] = []
        """Append nanoseconds here; call `fold` when there are `FOLD` of them."""
        self.counts: Counter[int] = Counter()

    def fold(self) -> None:
        """Count the latest latencies."""
        bits = memoryview(array("f", self.latest)).cast("B").cast("I")
        self.counts.update(map(rshift, bits, repeat(_SHIFT)))
        self.latest.clear()

    def add(self, nanoseconds: int, count: int) -> None:
        """Count ``count`` latencies of the same length at once."""
        (bits,) = struct.unpack("I", struct.pack("f", nanoseconds))
        self.counts[bits >> _SHIFT] += count

    def clear(self) -> None:
        """Forget all latencies."""
        self.latest.clear()
        self.counts.clear()


def nanoseconds(counts: Mapping[int, int]) -> list[tuple[int, int]]:
    """Return the middle of each bucket, in nanoseconds, and the number of latencies in it."""
    return [(round(struct.unpack("f", struct.pack("I", b << _SHIFT | _MIDDLE))[0]), n) for b, n in counts.items()]

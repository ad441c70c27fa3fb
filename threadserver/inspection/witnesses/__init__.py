"""The witnesses: each looks at one kind of evidence only, and says which models could have produced it.

None of them can tell all models apart; together they can. `WITNESSES` begins with the one that counts most.
"""

from collections.abc import Callable

from threadserver.inspection.record import Record
from threadserver.inspection.witnesses import blocked, closing, counts, greeting, novelty, queue, sender
from threadserver.kernel.testimony import Testimony

WITNESSES: tuple[Callable[[Record], Testimony | None], ...] = (
    sender.testify,
    blocked.testify,
    queue.testify,
    novelty.testify,
    closing.testify,
    greeting.testify,
    counts.testify,
)

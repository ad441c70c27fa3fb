"""The witnesses: each looks at one thing only, and says which models could have made it look like that.

None of them can tell all models apart; together they can. `WITNESSES` lists them from the one whose word counts most.
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

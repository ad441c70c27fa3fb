"""What the lab `pool` checks: the conversation, and that 2 to 16 workers serve a client each while all others wait."""

from threadserver.judge import points
from threadserver.judge.checks.conversation import *  # the conversation: 36 points
from threadserver.judge.checks.leaving import *  # clients leave, the server goes on: 9 points
from threadserver.judge.checks.pool import *  # a bounded number of workers: 43 points
from threadserver.judge.trial import Trial

POOLS = ("thread-pool", "prefork")


@points(
    8,
    "the same workers serve again and again",
    after="workers",
    hint="A worker is a loop around the conversation: take a client, serve it, take the next. A thread or process made for a client, "
    "however few may be there at once, is another model.",
)
def test_model(server: Trial) -> None:
    """Fill the server again and again, and see which tasks answer, and whether they were there before."""
    the_same_again(server, *POOLS)


@points(
    4,
    "it is still so late in the server's life",
    after=("model", "bounded"),
    hint="Every client is treated alike: no counter decides what becomes of one.",
)
def test_late(server: Trial) -> None:
    """Let a hundred and more clients come and go: then as many are served at once as before, and by a pool."""
    the_same_late(server, *POOLS)

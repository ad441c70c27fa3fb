"""What the lab `pool` checks: the conversation, and that 2 to 16 workers serve 1 client each while all others wait."""

from threadserver.judge import points
from threadserver.judge.checks.conversation import *  # the conversation: 36 points
from threadserver.judge.checks.leaving import *  # clients leave, the server goes on: 9 points
from threadserver.judge.checks.pool import *  # a bounded number of workers: 43 points
from threadserver.judge.trial import Trial

POOLS = ("thread-pool", "prefork")


@points(
    8,
    "the same workers serve one client after another",
    after="workers",
    hint="A worker is a loop around the conversation: take a client, serve it, take the next. Threads or processes created for each "
    "client are another model, however few exist at once.",
)
def test_model(server: Trial) -> None:
    """Fill the server repeatedly, and see which tasks answer, and whether they were there before."""
    the_same_again(server, *POOLS)


@points(
    4,
    "after a hundred clients it still serves as many at once, with the same model",
    after=("model", "bounded"),
    hint="Treat every client alike: no counter may decide how it is served.",
)
def test_late(server: Trial) -> None:
    """Let more than a hundred clients come and go: then a pool serves as many at once as before."""
    the_same_late(server, *POOLS)

"""What the lab `prefork` checks: the conversation, and that 2 to 16 processes accept and serve a client each."""

from threadserver.judge import points
from threadserver.judge.checks.conversation import *  # the conversation: 36 points
from threadserver.judge.checks.leaving import *  # clients leave, the server goes on: 9 points
from threadserver.judge.checks.pool import *  # a bounded number of workers: 43 points
from threadserver.judge.trial import Trial


@points(
    5,
    "the same processes serve again and again, one client each",
    after="workers",
    hint="Fork before the first client comes, and let each child loop: accept, serve, accept. A process that is made for a client and ends with it is another model, and so are threads.",
)
def test_model(server: Trial) -> None:
    """Fill the server again and again, and see which processes answer, and whether they were there before."""
    the_same_again(server)


@points(
    4,
    "each process accepts its own clients, and nobody accepts for it",
    after="model",
    hint="The listening socket is made before fork(), so every child has it: let each call accept() on it. The kernel gives each client to one of them. The parent accepts nobody.",
)
def test_accepts(server: Trial) -> None:
    """See who waits for the next client while nobody is there, and then who answers when all processes are taken."""
    must_accept_themselves(server)


@points(
    3,
    "it is still so late in the server's life",
    after=("model", "bounded"),
    hint="Every client is treated alike: no counter decides what becomes of one.",
)
def test_late(server: Trial) -> None:
    """Let a hundred and more clients come and go: then as many are served at once as before, and by the same model."""
    the_same_late(server)

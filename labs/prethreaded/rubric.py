"""What the lab `prethreaded` checks: the conversation, and that 2 to 16 threads accept and serve a client each."""

from threadserver.judge import points
from threadserver.judge.checks.conversation import *  # the conversation: 36 points
from threadserver.judge.checks.leaving import *  # clients leave, the server goes on: 9 points
from threadserver.judge.checks.pool import *  # a bounded number of workers: 43 points
from threadserver.judge.trial import Trial


@points(
    5,
    "the same threads of one process serve again and again, one client each",
    after="workers",
    hint="Start the threads before the first client comes, and let each loop: accept, serve, accept. A thread that is made for a client and ends with it is another model, and so are processes.",
)
def test_model(server: Trial) -> None:
    """Fill the server again and again, and see which threads answer, and whether they were there before."""
    the_same_again(server)


@points(
    4,
    "each thread accepts its own clients, and nobody accepts for it",
    after="model",
    hint="Several threads may be blocked in accept() on the same socket; the kernel wakes one of them for each client. So no thread accepts for others, and there is no queue but the one in the kernel.",
)
def test_accepts(server: Trial) -> None:
    """See who waits for the next client while nobody is there, and then who answers when all threads are taken."""
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

"""What the lab `prethreaded` checks: the conversation, and that 2 to 16 threads each accept and serve 1 client at a time."""

from threadserver.judge import points
from threadserver.judge.checks.conversation import *  # the conversation: 36 points
from threadserver.judge.checks.leaving import *  # clients leave, the server goes on: 9 points
from threadserver.judge.checks.pool import *  # a bounded number of workers: 43 points
from threadserver.judge.trial import Trial


@points(
    5,
    "the same threads of one process serve one client after another",
    after="workers",
    hint="Start the threads before the first client comes, and let each loop: accept, serve, accept. A thread that is created for a client and ends with it is another model; so are processes.",
)
def test_model(server: Trial) -> None:
    """Fill the server repeatedly, and see which threads answer, and whether they were there before."""
    the_same_again(server)


@points(
    4,
    "each thread accepts its own clients, and no other task accepts for it",
    after="model",
    hint="Several threads may be blocked in accept() on the same socket; the kernel wakes one of them for each client. So no thread accepts for others, and the only queue is the kernel's.",
)
def test_accepts(server: Trial) -> None:
    """See which tasks wait for the next client while none is there, and which answer when all threads are busy."""
    must_accept_themselves(server)


@points(
    3,
    "after a hundred clients it still serves as many at once, with the same model",
    after=("model", "bounded"),
    hint="Treat every client alike: no counter may decide how it is served.",
)
def test_late(server: Trial) -> None:
    """Let more than a hundred clients come and go: then the same model serves as many at once as before."""
    the_same_late(server)

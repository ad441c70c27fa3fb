"""What the lab `prefork` checks: the conversation, and that 2 to 16 processes each accept and serve 1 client at a time."""

from threadserver.judge import points
from threadserver.judge.checks.conversation import *  # the conversation: 36 points
from threadserver.judge.checks.leaving import *  # clients leave, the server goes on: 9 points
from threadserver.judge.checks.pool import *  # a bounded number of workers: 43 points
from threadserver.judge.trial import Trial


@points(
    4,
    "the same processes serve one client after another",
    after="workers",
    hint="Fork before the first client comes, and let each child loop: accept, serve, accept. A process that is created for a client and ends with it is another model; so are threads.",
)
def test_model(server: Trial) -> None:
    """Fill the server repeatedly, and see which processes answer, and whether they were there before."""
    the_same_again(server)


@points(
    3,
    "each process accepts its own clients, and no other task accepts for it",
    after="model",
    hint="Create the listening socket before fork(), so that every child has it, and let each child call accept() on it. The kernel gives each client to one of them. The parent accepts none.",
)
def test_accepts(server: Trial) -> None:
    """See which tasks wait for the next client while none is there, and which answer when all processes are busy."""
    must_accept_themselves(server)


@points(
    2,
    "a child that ends is replaced",
    after=("next_in_line", "model"),
    hint="A child may be killed at any time, by a bug or because memory runs out. The parent waits for children that end, and forks another one each time.",
)
def test_replaced(server: Trial) -> None:
    """Kill two children, one after the other, while each serves a client: a waiting client is served by its successor."""
    must_replace(server)


@points(
    3,
    "after a hundred clients it still serves as many at once, with the same model",
    after=("model", "bounded"),
    hint="Treat every client alike: no counter may decide how it is served.",
)
def test_late(server: Trial) -> None:
    """Let more than a hundred clients come and go: then the same model serves as many at once as before."""
    the_same_late(server)

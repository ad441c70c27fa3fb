"""What the lab `poll` checks: the conversation, many clients at once, and that one task waits for all of them in poll()."""

from threadserver.judge import points
from threadserver.judge.aside import Aside
from threadserver.judge.checks.concurrent import *  # many clients at once: 25 points
from threadserver.judge.checks.conversation import *  # the conversation: 36 points
from threadserver.judge.checks.event_loop import *  # turns, and rest: 12 points
from threadserver.judge.checks.leaving import *  # clients leave, the server goes on: 9 points
from threadserver.judge.trial import Trial
from threadserver.kernel.syscalls import POLL


@points(
    12,
    "one task serves all clients, and waits for all of them in poll()",
    after="many_at_once",
    hint="select.poll() keeps a table: register() each socket once, and wait only in its poll(). select() and epoll are other mechanisms, and selectors.DefaultSelector picks the best one available, which is epoll on Linux.",
)
def test_model(server: Trial) -> None:
    """Hold clients, and see which task answers them, and in which call it waits."""
    must_loop(server, early_clients(server), calls=POLL)


@points(
    6,
    "after a hundred clients, or a long silence, it still uses the same model",
    after=("model", "rests"),
    hint="Treat every connection alike: no counter may decide how a client is served.",
)
def test_late(server: Trial, aside: Aside) -> None:
    """Hold many clients after more than a hundred have come and gone; look also where clients were silent for long."""
    must_loop(server, late_clients(server), calls=POLL)
    aside.must_be()

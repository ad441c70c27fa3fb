"""What the lab `epoll` checks: the conversation, many clients at once, and that one task waits for all of them with epoll."""

from threadserver.judge import points
from threadserver.judge.aside import Aside
from threadserver.judge.checks.concurrent import *  # many clients at once: 25 points
from threadserver.judge.checks.conversation import *  # the conversation: 36 points
from threadserver.judge.checks.event_loop import *  # turns, and rest: 12 points
from threadserver.judge.checks.leaving import *  # clients leave, the server goes on: 9 points
from threadserver.judge.trial import Trial
from threadserver.kernel.syscalls import EPOLL


@points(
    12,
    "one task serves all clients, and waits for all of them in epoll_wait()",
    after="many_at_once",
    hint="select.epoll() is a table in the kernel: register() each socket once, and wait only in its poll(). Despite its name, that is the system call epoll_wait(), not poll().",
)
def test_model(server: Trial) -> None:
    """Hold clients, and see which task answers them, and in which call it waits."""
    must_loop(server, early_clients(server), calls=EPOLL)


@points(
    6,
    "after a hundred clients, or a long silence, it still uses the same model",
    after=("model", "rests"),
    hint="Treat every connection alike: no counter may decide how a client is served.",
)
def test_late(server: Trial, aside: Aside) -> None:
    """Hold many clients after more than a hundred have come and gone; look also where clients were silent for long."""
    must_loop(server, late_clients(server), calls=EPOLL)
    aside.must_be()

"""What the lab `asyncio` checks: the conversation, many clients at once, and that one thread serves them all."""

from threadserver.judge import points
from threadserver.judge.aside import Aside
from threadserver.judge.checks.concurrent import *  # many clients at once: 25 points
from threadserver.judge.checks.conversation import *  # the conversation: 36 points
from threadserver.judge.checks.event_loop import *  # turns, and rest: 12 points
from threadserver.judge.checks.leaving import *  # clients leave, the server goes on: 9 points
from threadserver.judge.trial import Trial


@points(
    12,
    "one thread serves all clients, and waits for all of them at once",
    after="many_at_once",
    hint="Start a coroutine for each client, create_task(converse(connection)), and go straight back to accept the next one. Use no threads: asyncio.to_thread() and executors are for calls that can only block.",
)
def test_model(server: Trial) -> None:
    """Hold clients, and see which task answers them, and in which call it waits."""
    must_loop(server, early_clients(server))


@points(
    6,
    "after a hundred clients, or a long silence, it still uses the same model",
    after=("model", "rests"),
    hint="Treat every connection alike: no counter may decide how a client is served.",
)
def test_late(server: Trial, aside: Aside) -> None:
    """Hold many clients after more than a hundred have come and gone; look also where clients were silent for long."""
    must_loop(server, late_clients(server))
    aside.must_be()

"""What the lab `asyncio` checks: the conversation, many clients at once, and that one task of the kernel serves them all."""

from threadserver.judge import points
from threadserver.judge.checks.concurrent import *  # many clients at once: 25 points
from threadserver.judge.checks.conversation import *  # the conversation: 36 points
from threadserver.judge.checks.event_loop import *  # turns, and rest: 12 points
from threadserver.judge.checks.leaving import *  # clients leave, the server goes on: 9 points
from threadserver.judge.trial import Trial


@points(
    12,
    "one task of the kernel serves all clients, and waits for all of them at once",
    after="many_at_once",
    hint="A coroutine for each client: create_task(converse(connection)), and straight back to the next one. No thread is needed, and none wanted: asyncio.to_thread() and executors are for what can only block.",
)
def test_model(server: Trial) -> None:
    """Hold clients, and see which task answers them, and in which call it waits meanwhile."""
    must_loop(server, early_clients(server))


@points(
    6,
    "it is still so late in the server's life, and with more clients",
    after="model",
    hint="Every connection is treated alike: no counter decides what becomes of a client.",
)
def test_late(server: Trial) -> None:
    """Hold many clients after more than a hundred have come and gone."""
    must_loop(server, late_clients(server))

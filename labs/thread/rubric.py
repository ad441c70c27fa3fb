"""What the lab `thread` checks: the conversation, many clients at once, and that each has a new thread of its own."""

from threadserver.judge import points
from threadserver.judge.aside import Aside
from threadserver.judge.checks.concurrent import *  # many clients at once: 25 points
from threadserver.judge.checks.conversation import *  # the conversation: 36 points
from threadserver.judge.checks.leaving import *  # clients leave, the server goes on: 9 points
from threadserver.judge.trial import Trial


@points(
    18,
    "each connection has a new thread of its own, which greets, reads and answers",
    after="many_at_once",
    hint="Call Thread(target=converse, args=(connection,)).start(), and go straight back to accept(). The new thread sends "
    "HELLO: threading.get_native_id() returns the id of the thread that calls it.",
)
def test_model(server: Trial) -> None:
    """Hold clients, and see which task waits for each, which one answers it, and when it was created."""
    one_made_for_each(server)


@points(
    12,
    "after a hundred clients, or a long silence, it still uses the same model",
    after=("model", "rests"),
    hint="Treat every connection alike: no counter may decide how a client is served, and no thread may serve a second one.",
)
def test_late(server: Trial, aside: Aside) -> None:
    """Hold many clients after more than a hundred have come and gone; look also where clients were silent for long."""
    server.serving(late_clients(server)).must_be()
    aside.must_be()

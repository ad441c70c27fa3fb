"""What the lab `thread` checks: the conversation, many clients at once, and a new thread for each of them.

Each function is a check. The judge starts the submission for it, and `server` is that server on trial. The shared
checks come with the imports; the checks of this lab alone stand below.
"""

from threadserver.judge import points
from threadserver.judge.checks.concurrent import *  # many clients at once: 25 points
from threadserver.judge.checks.conversation import *  # the conversation: 36 points
from threadserver.judge.checks.leaving import *  # clients leave, the server goes on: 9 points
from threadserver.judge.trial import Trial


@points(
    20,
    "each connection has a new thread of its own",
    after="many_at_once",
    hint="Thread(target=server.converse, args=(connection,)).start(), and straight back to accept().",
)
def test_model(server: Trial) -> None:
    """Hold clients, and find out which task answers each of them: it must be the model of lab.toml."""
    server.serving(early_clients(server)).must_be()


@points(
    10,
    "after a hundred clients it still uses the same model",
    after="model",
    hint="Treat every connection alike: no counter decides what happens to a client.",
)
def test_late(server: Trial) -> None:
    """Hold clients after more than a hundred have come and gone, and look again."""
    server.serving(late_clients(server)).must_be()

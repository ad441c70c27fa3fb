"""What the lab `thread` checks: the conversation, many clients at once, and that each has a new thread of its own."""

from threadserver.judge import points
from threadserver.judge.checks.concurrent import (  # many clients at once: 25 points
    one_made_for_each,
    test_many_at_once,
    test_silent_client,
    test_unread_answers,
)
from threadserver.judge.checks.conversation import (  # the conversation: 36 points
    test_any_bytes,
    test_confirmation,
    test_description,
    test_echo,
    test_greeting,
    test_half_close,
    test_listens,
    test_long_lines,
    test_numbers,
    test_owed_at_the_end,
    test_pieces,
    test_several_lines,
    test_slow_reader,
    test_worker,
)
from threadserver.judge.checks.leaving import (  # clients leave, the server goes on: 9 points
    test_goes_on,
    test_leaving,
    test_left_behind,
    test_restart,
)
from threadserver.judge.trial import Trial


@points(
    18,
    "each connection has a new thread of its own, which greets, reads and answers",
    after="many_at_once",
    hint="Thread(target=converse, args=(connection,)).start(), and straight back to accept(). HELLO is sent by the new thread: "
    "threading.get_native_id() names whoever calls it.",
)
def test_model(server: Trial) -> None:
    """Hold clients, and see which task waits for each, which one answers it, and when it was made."""
    one_made_for_each(server, "thread-per-connection", "thread")


@points(
    12,
    "it is still so late in the server's life, and with more clients",
    after="model",
    hint="Every connection is treated alike: no counter decides what becomes of a client, and no thread serves a second one.",
)
def test_late(server: Trial) -> None:
    """Let a hundred and more clients come and go; then hold more than anyone would count to."""
    server.come_and_go(server.some(110, 140))
    server.settle()
    peers = server.hold(server.some(40, 60))
    server.ask_in_any_order(peers)
    server.serving(peers).must_be("thread-per-connection")

"""What the lab `select` checks: the conversation, many clients at once, and that one task waits for all of them."""

from threadserver.judge import points
from threadserver.judge.checks.concurrent import (  # many clients at once: 25 points
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
from threadserver.judge.checks.event_loop import (  # turns, and rest: 12 points
    must_loop,
    test_idle,
    test_one_client_cannot_starve,
    test_write_interest,
)
from threadserver.judge.checks.leaving import (  # clients leave, the server goes on: 9 points
    test_goes_on,
    test_leaving,
    test_left_behind,
    test_restart,
)
from threadserver.judge.trial import Trial


@points(
    12,
    "one task serves all clients, and waits for all of them at once",
    after="many_at_once",
    hint="select(), poll(), epoll or selectors, one call for all sockets, is the only place in which the task waits. No thread, "
    "no fork, and no nap: a task that asks everybody in turn does not wait for anybody.",
)
def test_model(server: Trial) -> None:
    """Hold clients, and see which task answers them, and in which call it waits meanwhile."""
    server.come_and_go(server.some(3, 6))
    peers = server.hold(server.some(20, 28))
    must_loop(server, peers)


@points(
    6,
    "it is still so late in the server's life, and with more clients",
    after="model",
    hint="Every connection is treated alike: no counter decides what becomes of a client.",
)
def test_late(server: Trial) -> None:
    """Let a hundred and more clients come and go; then hold more than anyone would count to."""
    server.come_and_go(server.some(110, 140))
    peers = server.hold(server.some(40, 60))
    server.ask_in_any_order(peers)
    must_loop(server, peers)

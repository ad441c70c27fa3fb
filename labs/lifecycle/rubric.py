"""What the lab `lifecycle` checks: the conversation, and that clients are served one after another."""

from threadserver.judge import points
from threadserver.judge.aside import Aside
from threadserver.judge.checks.accepting import must_accept_itself
from threadserver.judge.checks.conversation import *  # the conversation: 36 points
from threadserver.judge.checks.leaving import *  # clients leave, the server goes on: 9 points
from threadserver.judge.checks.queueing import next_in_line
from threadserver.judge.checks.stuck import must_serve_when_stuck
from threadserver.judge.trial import Trial


@points(
    20,
    "the next client waits until the first has gone, and is then served",
    after="echo",
    hint="Call accept() again only when the conversation is over and its socket is closed. Clients that come meanwhile wait in "
    "the backlog of the listening socket; listen() sets how many may.",
)
def test_one_at_a_time(server: Trial) -> None:
    """Let 3 to 5 clients connect while one is served: each gets HELLO only when those before it have left."""
    served = server.greet()
    waiting = [server.connect() for _ in range(server.some(3, 5)) if server.may_wait()]
    while waiting:
        served.ask(b"still the only one")
        for peer in waiting:
            peer.expect_nothing("another client is being served")
        served.close()
        served = waiting.pop(0).greet()
    served.ask(b"the last one")


@points(
    10,
    "the next client waits as long as it takes",
    after=("one_at_a_time", "rests"),
    hint="Nothing but the end of a conversation may lead back to accept(): no time-out, no timer.",
)
def test_long_wait(aside: Aside) -> None:
    """Let a client be silent for some seconds while others wait: the next gets HELLO when it leaves, and not before."""
    full = aside.outwait()
    served = full.served[0]
    for peer in full.waiting:
        peer.expect_nothing(f"{served.name} is still being served, although it has been silent for some seconds")
    served.close()
    if full.waiting:  # otherwise the accept queue had no room for another client
        next_in_line(aside.server, full.waiting, f"{served.name} has left").ask(b"at last")


@points(
    25,
    "one task serves all clients, one after another",
    after="one_at_a_time",
    hint="Use no threads and no fork: the loop that accepts also converses.",
)
def test_model(server: Trial) -> None:
    """See that one task waits for every client and answers it, and that other clients wait meanwhile."""
    serving = server.served_in_turn(server.some(4, 7))
    serving.must_be()
    must_serve_when_stuck(server)
    served, waiting = server.greet(), server.connect()
    server.settle()
    if not server.waits_in_backlog(waiting):
        raise waiting.wrong(f"{waiting.name} was accepted although {served.name} is still being served")
    served.close()
    waiting.greet().close()  # a client that vanishes unserved is the business of other checks
    must_accept_itself(server, serving)

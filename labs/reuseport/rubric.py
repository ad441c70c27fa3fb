"""What the lab `reuseport` checks: event loops in several processes, each with its own listening socket."""

from threadserver.judge import UndeterminedError, WrongError, points
from threadserver.judge.checks.concurrent import *  # many clients at once: 25 points
from threadserver.judge.checks.conversation import *  # the conversation: 36 points
from threadserver.judge.checks.event_loop import *  # turns, and rest: 12 points
from threadserver.judge.checks.leaving import *  # clients leave, the server goes on: 9 points
from threadserver.judge.checks.pool import must_serve_those_accepted
from threadserver.judge.trial import Trial
from threadserver.kernel.processes import owners

CHANCES = 40  # chances to see all processes at rest, each in the call in which it waits


@points(
    6,
    "several tasks each serve, and wait for, many clients",
    after="many_at_once",
    hint="Make each process an event loop: it waits for its own listening socket and all its clients in one call.",
)
def test_model(server: Trial) -> None:
    """Hold clients, and see which tasks answer them, and in which call they wait."""
    server.come_and_go(server.some(3, 6))
    must_loop(server, server.hold(server.some(24, 32)))


@points(
    8,
    "each serving process has its own listening socket at the port, and accepts from it",
    after="model",
    hint="Set SO_REUSEPORT on each socket, the first one too, before bind(), and let every process create its own after "
    "fork(). A process that does not serve must not have a listening socket: clients that the kernel sends there wait forever.",
)
def test_own_listeners(server: Trial) -> None:
    """Hold clients, and see which process has which listening socket, and which waits for it."""
    peers, accepted = server.accepting(lambda: server.hold(server.some(24, 32)))
    serving = server.serving(peers)
    processes = {pid for pid, _ in serving.workers}
    if len(processes) < 2:
        raise WrongError(f"{len(peers)} clients are served by one process", server.situation().text())
    _none_is_shared(server, processes)
    _none_is_unattended(server)
    must_serve_those_accepted(serving, accepted, process=True)


def _none_is_shared(server: Trial, processes: set[int]) -> None:
    """Expect that each process has a listening socket that none of the others has."""
    listeners = server.look().listeners
    holders = owners(listeners, processes)
    own = {pids for pids in map(frozenset, holders.values()) if len(pids) == 1}
    if len(own) < len(processes):
        raise WrongError(
            f"{len(processes)} processes serve, and the port has {len(listeners)} listening socket{'s' * (len(listeners) > 1)}; "
            f"{len(own)} of these processes have one that no other has",
            server.situation().text(),
        )


def _none_is_unattended(server: Trial) -> None:
    """Expect that a task waits for each listening socket."""
    for _ in range(CHANCES):
        server.settle()
        situation = server.situation()
        if situation.look.hidden:
            raise UndeterminedError(
                "This machine does not show which tasks wait for the listening sockets", situation.text()
            )
        left = [inode for inode in situation.look.listeners if not situation.look.waiting_for(inode)]
        if not left:
            return
    raise WrongError(
        f"No task waits for {len(left)} of the {len(situation.look.listeners)} listening sockets at the port",
        situation.text(),
    )


@points(
    4,
    "after a hundred clients it still uses the same model",
    after="model",
    hint="Treat every connection alike: no counter may decide how a client is served.",
)
def test_late(server: Trial) -> None:
    """Hold many clients after more than a hundred have come and gone."""
    must_loop(server, late_clients(server))

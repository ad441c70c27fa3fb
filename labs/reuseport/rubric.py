"""What the lab `reuseport` checks: many clients at once, by event loops in several processes with a listening socket each."""

from threadserver.judge import UndeterminedError, WrongError, points
from threadserver.judge.checks.concurrent import *  # many clients at once: 25 points
from threadserver.judge.checks.conversation import *  # the conversation: 36 points
from threadserver.judge.checks.event_loop import *  # turns, and rest: 12 points
from threadserver.judge.checks.leaving import *  # clients leave, the server goes on: 9 points
from threadserver.judge.trial import Trial
from threadserver.kernel.processes import owners

CHANCES = 40  # to see all processes at rest, each in the call in which it waits


@points(
    6,
    "several tasks serve and wait for many clients each",
    after="many_at_once",
    hint="Each process is an event loop: it waits for its own listening socket and all its clients in one call.",
)
def test_model(server: Trial) -> None:
    """Hold clients, and see which tasks answer them, and in which call these wait meanwhile."""
    server.come_and_go(server.some(3, 6))
    must_loop(server, server.hold(server.some(24, 32)))


@points(
    8,
    "each process that serves has a listening socket of its own at the port, and accepts at it",
    after="model",
    hint="Set SO_REUSEPORT on each socket before bind(), the first one too, and let every process make its own after fork(). "
    "A process that does not serve may have no listening socket: clients that the kernel sends there wait for ever.",
)
def test_own_listeners(server: Trial) -> None:
    """Hold clients, and see who has which listening socket, and who waits for it."""
    peers = server.hold(server.some(24, 32))
    processes = {pid for pid, _ in server.serving(peers).workers}
    if len(processes) < 2:
        raise WrongError(f"{len(peers)} clients are served by one process", server.situation().text())
    _none_is_shared(server, processes)
    _none_is_unattended(server)


def _none_is_shared(server: Trial, processes: set[int]) -> None:
    """Expect that each of the processes has a listening socket that no other one of them has."""
    listeners = server.look().listeners
    holders = owners(listeners, processes)
    own = {pids for pids in map(frozenset, holders.values()) if len(pids) == 1}
    if len(own) < len(processes):
        raise WrongError(
            f"{len(processes)} processes serve, and there are {len(listeners)} listening sockets at the port; {len(own)} of "
            "these processes have one that no other has",
            server.situation().text(),
        )


def _none_is_unattended(server: Trial) -> None:
    """Expect that somebody waits for each listening socket."""
    for _ in range(CHANCES):
        server.settle()
        situation = server.situation()
        if situation.look.hidden:
            raise UndeterminedError("Who waits for the listening sockets cannot be seen here", situation.text())
        left = [inode for inode in situation.look.listeners if not situation.look.waiting_for(inode)]
        if not left:
            return
    raise WrongError(
        f"Nobody waits for {len(left)} of the {len(situation.look.listeners)} listening sockets at the port",
        situation.text(),
    )


@points(
    4,
    "it is still so late in the server's life, and with more clients",
    after="model",
    hint="Every connection is treated alike: no counter decides what becomes of a client.",
)
def test_late(server: Trial) -> None:
    """Hold many clients after more than a hundred have come and gone."""
    must_loop(server, late_clients(server))

"""What the lab `fork` checks: the conversation, many clients at once, a process for each, and who closes and waits."""

from threadserver.judge import WrongError, points
from threadserver.judge.checks.concurrent import *  # many clients at once: 25 points
from threadserver.judge.checks.conversation import *  # the conversation: 36 points
from threadserver.judge.checks.leaving import *  # clients leave, the server goes on: 9 points
from threadserver.judge.peer import Peer
from threadserver.judge.trial import Trial
from threadserver.kernel.processes import owners

FEW = (
    2  # zombies that may be there at any moment: children that have just ended, and are waited for with the next client
)
CHANCES = 60


@points(
    12,
    "each connection has a process of its own, made for it, which greets, reads and answers",
    after="many_at_once",
    hint="fork() after accept(): where it returns 0 you are the child, which converses and then ends with os._exit(0). "
    "HELLO is sent by the child: os.getpid() names whoever calls it.",
)
def test_model(server: Trial) -> None:
    """Hold clients, and see which process waits for each, which one answers it, and when it was made."""
    one_made_for_each(server)


@points(
    6,
    "it is still so late in the server's life, and with more clients",
    after="model",
    hint="Every connection is treated alike: no counter decides what becomes of a client, and no child serves a second one.",
)
def test_late(server: Trial) -> None:
    """Hold many clients after more than a hundred have come and gone."""
    server.serving(late_clients(server)).must_be()


@points(
    4,
    "a child closes the listening socket: it takes no clients",
    after="model",
    hint="fork() copies every descriptor. While a child has the listening socket open, the port stays taken when its parent "
    "has ended: the first thing that the child does is to close it.",
)
def test_closes_listener(server: Trial) -> None:
    """Hold clients, and look for the listening socket among the descriptors of the processes made for them."""
    peers = server.hold(server.some(5, 9))
    server.ask_in_any_order(peers)
    children = set(server.members()) - already_there(peers)
    holding = set().union(*owners(server.look().listeners, children).values())
    if holding:
        raise WrongError(
            f"{len(peers)} clients are held, and {len(holding)} of {len(children)} processes that were made for them have "
            "the listening socket open, too",
            server.situation().text(),
        )


@points(
    4,
    "the parent closes each connection once its child has it, so no other child has it either",
    after="model",
    hint="After fork() the connection is open in both processes. The client sees the end when the last of them closes it, and "
    "whatever the parent has open is copied into every later child: close it in the parent at once.",
)
def test_closes_connection(server: Trial) -> None:
    """Hold clients, and look who has their connections open."""
    peers = server.hold(server.some(5, 9))
    server.ask_in_any_order(peers)
    server.settle()
    situation = server.situation()
    for peer in peers:
        if situation.held[peer.number] & already_there(peers):
            raise WrongError(f"The process that accepts still has the connection of {peer.name} open", situation.text())
    for pid in set(server.members()) - already_there(peers):
        held = [peer.name for peer in peers if pid in situation.held[peer.number]]
        if len(held) > 1:
            raise WrongError(f"One child has {len(held)} connections open: of {', '.join(held)}", situation.text())


@points(
    4,
    "children that have ended are waited for, although many end at once",
    after="model",
    hint="Signals are not counted: one SIGCHLD may stand for several children. Call waitpid(-1, WNOHANG) until it has nobody "
    "left to give, in the handler or before each accept().",
)
def test_reaped(server: Trial) -> None:
    """Stop the parent while all children end, so that they send it one signal together; then let it go on."""
    peers = server.hold(server.some(8, 12))
    server.ask_in_any_order(peers)
    parents = already_there(peers) & set(server.members())
    with server.stopped(parents):
        for peer in peers:
            peer.close()
        for _ in range(CHANCES):
            server.settle()
            if server.possessions().processes <= len(parents):
                break
    for _ in range(CHANCES):
        server.settle()
        if server.possessions().zombies <= FEW:
            return
        server.come_and_go(1)
    situation = server.situation()
    raise WrongError(
        f"{len(peers)} clients left at the same moment, {CHANCES} others came and went, and "
        f"{len(situation.look.zombies)} children that have ended are still zombies",
        situation.text(),
    )


def already_there(peers: list[Peer]) -> set[int]:
    """Give the processes that were there before any of these clients came."""
    return {pid for pid, _ in peers[0].known}

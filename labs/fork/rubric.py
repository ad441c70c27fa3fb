"""What the lab `fork` checks: the conversation, many clients at once, and a process for each, closed and waited for."""

from threadserver.judge import WrongError, points
from threadserver.judge.aside import Aside
from threadserver.judge.checks.concurrent import *  # many clients at once: 25 points
from threadserver.judge.checks.conversation import *  # the conversation: 36 points
from threadserver.judge.checks.leaving import *  # clients leave, the server goes on: 9 points
from threadserver.judge.peer import Peer
from threadserver.judge.trial import Trial
from threadserver.kernel.processes import owners

FEW = 2  # zombies that may exist at any moment: children that have just ended, and are waited for with the next client
CHANCES = 60


@points(
    12,
    "each connection has a new process of its own, which greets, reads and answers",
    after="many_at_once",
    hint="Call fork() after accept(). Where it returns 0 you are in the child, which converses and then ends with "
    "os._exit(0). The child sends HELLO: os.getpid() returns the id of the process that calls it.",
)
def test_model(server: Trial) -> None:
    """Hold clients, and see which process waits for each, which one answers it, and when it was created."""
    one_made_for_each(server)


@points(
    6,
    "after a hundred clients, or a long silence, it still uses the same model",
    after=("model", "rests"),
    hint="Treat every connection alike: no counter may decide how a client is served, and no child may serve a second one.",
)
def test_late(server: Trial, aside: Aside) -> None:
    """Hold many clients after more than a hundred have come and gone; look also where clients were silent for long."""
    server.serving(late_clients(server)).must_be()
    aside.must_be()


@points(
    4,
    "each child closes the listening socket, since it accepts no clients",
    after="model",
    hint="fork() copies every descriptor. While a child has the listening socket open, the port stays taken even after its "
    "parent has ended. So close it first thing in the child.",
)
def test_closes_listener(server: Trial) -> None:
    """Hold clients, and look for the listening socket among the descriptors of the processes created for them."""
    peers = server.hold(server.some(5, 9))
    server.ask_in_any_order(peers)
    children = set(server.members()) - already_there(peers)
    holding = set().union(*owners(server.look().listeners, children).values())
    if holding:
        raise WrongError(
            f"{len(peers)} clients are held, and {len(holding)} of the {len(children)} processes created for them also have "
            "the listening socket open",
            server.situation().text(),
        )


@points(
    4,
    "the parent closes each connection once its child has it, so no other child inherits it",
    after="model",
    hint="After fork() the connection is open in both processes. The client sees the end only when the last of them closes "
    "it, and every later child inherits what the parent has open. So close it in the parent at once.",
)
def test_closes_connection(server: Trial) -> None:
    """Hold clients, and look which processes have their connections open."""
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
    "children that have ended are waited for, even when many end at once",
    after="model",
    hint="Signals are not counted: one SIGCHLD may stand for several children. Call waitpid(-1, WNOHANG) until it finds no "
    "more, in the handler or before each accept().",
)
def test_reaped(server: Trial) -> None:
    """Stop the parent while all children end, so that it gets one signal for all of them; then let it go on."""
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
        f"{len(peers)} clients left at the same moment and {CHANCES} others came and went, but "
        f"{len(situation.look.zombies)} children that have ended are still zombies",
        situation.text(),
    )


def already_there(peers: list[Peer]) -> set[int]:
    """Return the processes that were there before any of these clients came."""
    return {pid for pid, _ in peers[0].known}

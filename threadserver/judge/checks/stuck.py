"""Look at the server's model again while a client does not read its large answer.

A small answer is sent at once. A large one does not fit into the buffers, and there a server may do something else:
start a thread for the rest, hand it to a helper, block all clients.
"""

from collections.abc import Sequence
from contextlib import suppress

from threadserver.judge.checks.conversation import LONG, text
from threadserver.judge.outcomes import WrongError
from threadserver.judge.peer import Peer
from threadserver.judge.trial import Trial
from threadserver.kernel.call_trace import every_call
from threadserver.kernel.syscalls import SEND

MUCH = LONG // 2
"""Bytes that are read under the trace: more than all buffers hold. It slows a server that sends byte by byte."""
AWAITING = "did not read its large answer for a while, and expected it whole"
LOOKS = 30  # chances to see that the others are waited for


def must_serve_when_stuck(server: Trial, others: Sequence[Peer] = ()) -> None:
    """Expect that the task that sends a client its small answers also sends it a large one, however slowly it reads.

    An event loop must go on waiting for every one of the ``others``, which are held and silent. Raises WrongError; if
    nothing can be traced, the check passes.
    """
    deaf = server.greet(small_buffer=True)
    line = text(server, LONG)
    with every_call(server.task_ids) as small:
        deaf.ask(b"a short line")
    end = server.ends().get(deaf.number)
    inode = end.inode if end else 0
    own = small.senders(inode) | small.readers(inode)
    with suppress(WrongError):  # whether a large answer comes at all, and whole, other checks ask
        deaf.send(line + b"\n", reading=False)
    server.settle()
    if own:
        _must_wait_for(server, others, deaf)
    situation = server.situation()
    with every_call(server.task_ids) as large, suppress(WrongError):
        deaf.read_slowly(line[:MUCH], AWAITING)
    with suppress(WrongError):
        deaf.read_slowly(line[MUCH:] + b"\n", AWAITING)
    blocked = {task.id for task in situation.blocked_in(SEND) if deaf.number in situation.clients_of(task)}
    helpers = (large.senders(inode) | blocked) - own  # one long call may last from before the trace until after it
    if own and helpers:
        names = [" and ".join(map(situation.name_of, sorted(tasks))) for tasks in (own, helpers)]
        raise WrongError(
            f"{names[0]} sends {deaf.name} its small answers; when it did not read an answer of {LONG} bytes, "
            f"{names[1]} sent it as well",
            situation.text(),
        )
    deaf.close()


def _must_wait_for(server: Trial, others: Sequence[Peer], deaf: Peer) -> None:
    for _ in range(LOOKS if others else 0):
        situation = server.situation()
        if situation.look.hidden or situation.look.running or all(situation.reading_from(one.number) for one in others):
            return
        server.settle()
    if others:
        raise WrongError(
            f"While {deaf.name} does not read a large answer, no call waits for all {len(others)} other clients",
            server.situation().text(),
        )

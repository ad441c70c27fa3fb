"""Name the likely bug if what the kernel shows points at one.

Each rule is a function of the situation in which a client waited in vain; the first rule that applies decides. A
rule knows only what was seen, never source code.
"""

from collections.abc import Callable

from threadserver.judge.situation import ACCEPTED, GONE, WAITING, Situation, sending_or_receiving
from threadserver.judge.transcript import counted
from threadserver.kernel.syscalls import ACCEPT, CHILD, LOCK, READINESS, SLEEP

Rule = Callable[[Situation, int], str]


def suspicion(situation: Situation, client: int) -> str:
    """Return the likely bug from what is seen while ``client`` waits in vain; empty if nothing points at one."""
    if situation.look.hidden:
        return ""
    return next((said for rule in RULES if (said := rule(situation, client))), "")


def _one_lock(situation: Situation, client: int) -> str:
    """Recognise a lock that is held during a conversation. Idle workers of a pool wait for a lock, too."""
    locked = situation.blocked_in(LOCK)
    talking = [task for task in situation.look.tasks.values() if situation.clients_of(task) and not task.watches]
    workers = [task for task in locked if task.tid != task.pid] or (locked if len(locked) > 1 else [])
    accepted = [number for number in situation.ends if situation.phase(number) == ACCEPTED]
    closed_door = situation.phase(client) == WAITING and not situation.blocked_in(ACCEPT | READINESS)
    if len(workers) > 1 and len(talking) == 1 and (closed_door or len(workers) <= len(accepted)):
        total = len(workers) + len(talking)
        return (
            f"Your workers start, but {len(workers)} of {total} wait for one lock: "
            "the other holds it during its conversation"
        )
    return ""


def _joined(situation: Situation, client: int) -> str:
    if situation.phase(client) != WAITING:
        return ""
    main = [task for task in situation.blocked_in(LOCK) if task.pid == task.tid]
    others = [task for task in situation.look.tasks.values() if situation.clients_of(task)]
    if main and others and len(others) <= 2:
        served = situation.clients_of(others[0])
        return (
            f"The thread that accepts waits for the thread that serves client {served[0]} (start() and then join()?), "
            "so no other client is accepted"
        )
    return ""


def _waits_for_child(situation: Situation, client: int) -> str:
    if situation.phase(client) == WAITING and situation.blocked_in(CHILD) and not situation.blocked_in(ACCEPT):
        return "The process that accepts waits for its child to end, so no other client is accepted"
    return ""


def _one_at_a_time(situation: Situation, client: int) -> str:
    if situation.phase(client) != WAITING or situation.blocked_in(ACCEPT | READINESS):
        return ""
    talking = [task for task in situation.look.tasks.values() if sending_or_receiving(task)]
    served = [number for task in talking for number in situation.clients_of(task) if number != client]
    if len(talking) == 1 and served:
        call = sending_or_receiving(talking[0])
        return (
            f"Your server serves one client at a time: it is in {call}() on the connection of client {served[0]}, "
            f"so client {client} waits to be accepted"
        )
    return ""


def _stuck_in_another(situation: Situation, client: int) -> str:
    """Recognise a loop that blocks on one client although another has sent something."""
    end = situation.ends.get(client)
    if len(situation.look.tasks) != 1 or end is None:
        return ""
    (task,) = situation.look.tasks.values()
    served = [number for number in situation.clients_of(task) if number != client]
    call = sending_or_receiving(task)
    if served and call:
        return f"Your only task is blocked in {call}() on client {served[0]}, so it cannot serve client {client}"
    return ""


def _held_elsewhere(situation: Situation, client: int) -> str:
    end = situation.ends.get(client)
    held = situation.held.get(client, frozenset())
    if end and end.inode and len(held) > 1 and end.state in {"CLOSE_WAIT", "ESTABLISHED"}:
        shown = ", ".join(str(situation.inner.get((pid, pid), (pid, pid))[0]) for pid in sorted(held)[:6])
        return (
            f"{len(held)} processes ({shown}) have this connection open: "
            "the client sees its end only when all have closed it"
        )
    return ""


def _not_closed(situation: Situation, client: int) -> str:
    end = situation.ends.get(client)
    if end and end.inode and end.state == "CLOSE_WAIT" and not situation.waiting_for(client):
        return (
            "The client has closed its side and your server still has the connection open, "
            "but no task waits for it or closes it"
        )
    return ""


def _unread(situation: Situation, client: int) -> str:
    end = situation.ends.get(client)
    if not end or situation.phase(client) != ACCEPTED or situation.look.running:
        return ""
    if end.receive_queue and not situation.waiting_for(client):
        return f"{counted(end.receive_queue, 'byte')} from client {client} never read: no task waits for its connection"
    if not situation.waiting_for(client) and situation.look.tasks:
        return f"Client {client} was accepted, but no task waits for its connection"
    return ""


def _waits_for_more(situation: Situation, client: int) -> str:
    waiting = situation.waiting_for(client)
    end = situation.ends.get(client)
    if end and waiting and not end.receive_queue and sending_or_receiving(waiting[0]) == "recv":
        return f"Your server has read all that client {client} sent and waits in {waiting[0].call.name} for more"
    return ""


def _not_accepted(situation: Situation, client: int) -> str:
    if situation.phase(client) != WAITING:
        return ""
    sleeping = situation.blocked_in(SLEEP)
    if sleeping:
        return f"Client {client} waits to be accepted while {situation.name_of(sleeping[0].id)} sleeps"
    if not situation.blocked_in(ACCEPT | READINESS):
        return f"Client {client} waits to be accepted, but no task is in accept()"
    return ""


def _gone(situation: Situation, client: int) -> str:
    if situation.phase(client) == GONE and not situation.look.tasks:
        return "No process of your program is left"
    return ""


RULES: tuple[Rule, ...] = (
    _one_lock, _joined, _waits_for_child, _one_at_a_time, _stuck_in_another, _held_elsewhere, _not_closed, _unread,
    _waits_for_more, _not_accepted, _gone,
)  # fmt: skip

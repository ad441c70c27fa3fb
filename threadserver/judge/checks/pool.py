"""Shared checks for labs in which 2 to 16 workers serve 1 client each while all others wait. 43 points in total.

Each lab's rubric says what the workers are, and how they get their clients.
"""

from collections.abc import Callable

from threadserver.judge.aside import Aside
from threadserver.judge.checks.concurrent import have_talked
from threadserver.judge.checks.conversation import LONG, MAX_LINE, text
from threadserver.judge.checks.queueing import MOST, as_many_as, crowd, fill, greeted, next_in_line, no_more_than
from threadserver.judge.checks.stuck import must_serve_when_stuck
from threadserver.judge.marking import points
from threadserver.judge.observing import Accepted
from threadserver.judge.outcomes import UndeterminedError, WrongError
from threadserver.judge.peer import Peer
from threadserver.judge.serving import Serving
from threadserver.judge.trial import Trial
from threadserver.kernel.task import TaskId

__all__ = [
    "must_accept_themselves",
    "must_replace",
    "must_serve_those_accepted",
    "test_bounded",
    "test_long_wait",
    "test_next_in_line",
    "test_survives",
    "test_workers",
    "the_same_again",
    "the_same_late",
]

A_WHILE = 0.4  # seconds in which a server that turns waiting clients away after a short time would do so
LATE = 160, 360  # how many clients, at least and at most, come and go before the workers are counted again
SPARE = 2  # tasks that may start in addition to the workers: a timer, an acceptor


@points(
    12,
    "between 2 and 16 clients are served at once, and all others wait for their HELLO",
    after="echo",
    hint="Start the workers before the first client comes. Let each take a client, hold the whole conversation, HELLO "
    "included, and take the next. The task that accepts must not wait until a worker has finished with its client.",
)
def test_workers(server: Trial) -> None:
    """Let clients come until one is not greeted; the greeted ones talk in any order while the others wait.

    Then 2 clients are greeted before either of them confirms: each worker must keep its own state.
    """
    full = fill(server)
    if len(full.served) > MOST:
        raise WrongError(
            f"{len(full.served)} clients came, and all were greeted: this is not a pool of 2 to {MOST} workers",
            server.situation().text(),
        )
    if len(full.served) < 2:
        raise full.waiting[0].in_vain("One client is served, and the second waits: this is not a pool of 2 workers")
    server.ask_in_any_order(full.served, rounds=2)
    full.outwait(A_WHILE)
    for peer in full.waiting:
        peer.expect_nothing("all workers are busy")
    full.leave(server)
    pair = as_many_as(server, 2, "when they have left")
    for peer in pair:
        peer.hello()
    for peer in pair:
        peer.confirm()
    server.ask_in_any_order(pair)


@points(
    8,
    "the number of workers stays bounded, however many clients come",
    after="workers",
    hint="Use a queue between accept() and the workers, or workers that call accept() themselves: clients wait, and "
    "nothing is created for them. If the pool grows, count the workers and start another in one atomic step.",
)
def test_bounded(server: Trial) -> None:
    """Let a crowd come while all workers are busy; then, when all are free, let another crowd come all at once."""
    full = fill(server)
    before = server.possessions()
    full.waiting += crowd(server, server.some(24, 32))
    no_more_than(server, len(full.served), full.waiting, "with many more waiting")
    now = server.possessions()
    if now.tasks > before.tasks + SPARE:
        raise WrongError(
            f"{now.tasks - before.tasks} more tasks were created for {len(full.waiting)} waiting clients",
            server.situation().text(),
        )
    full.leave(server)
    burst = crowd(server, server.some(36, 44))
    served = greeted(server, burst)
    if len(served) > len(full.served):
        rest = [peer for peer in burst if peer not in served[: len(full.served)]]
        no_more_than(server, len(full.served), rest, "when many come at once")


@points(
    10,
    "a waiting client is served as soon as a worker is free",
    after="workers",
    hint="When a conversation is over, its worker takes the next client at once, without waiting for other workers.",
)
def test_next_in_line(server: Trial) -> None:
    """Let the served clients leave one by one: each time exactly 1 waiting client is next."""
    full = fill(server)
    leaving = [Peer.close, _half_close]
    while full.waiting:
        gone = full.served.pop(server.some(0, len(full.served) - 1))
        leaving[len(full.waiting) % len(leaving)](gone)
        full.served.append(next_in_line(server, full.waiting, f"{gone.name} has left, so a worker is free"))
        for peer in full.waiting:
            peer.expect_nothing("all workers are busy again")
        server.ask_in_any_order(full.served)


def _half_close(peer: Peer) -> None:
    peer.half_close()
    peer.expect_end("half-closed")


@points(
    8,
    "a worker survives whatever its client does",
    after="workers",
    hint="An exception ends a thread, and nothing takes its place: catch OSError around each conversation, inside the "
    "loop. If you count free workers, restore the count on every way out: finally.",
)
def test_survives(server: Trial) -> None:
    """Send every worker a misbehaving client, in several ways; afterwards as many clients must be served as before."""
    full = fill(server)
    count = len(full.served)
    full.leave(server)
    after = "when they have left"
    for what, (confirmed, do) in FAULTS.items():
        peers = as_many_as(server, count, after)
        for peer in peers if confirmed else ():
            peer.greet()
        for peer in peers:
            do(server, peer)
        server.settle()
        after = f"after each worker has had a client that {what}"
    for peer in as_many_as(server, count, after):
        peer.greet().ask(b"as before")


def _resets_at_once(_: Trial, peer: Peer) -> None:
    peer.hello()
    peer.reset()


def _confirms_wrongly(_: Trial, peer: Peer) -> None:
    number = peer.hello().connection
    peer.send(b"hello\n")
    peer.expect_error(f"confirmation expected: CONFIRM {number}", "sent hello instead of CONFIRM")
    peer.close()


def _resets_in_a_line(_: Trial, peer: Peer) -> None:
    peer.send(b"half a li")
    peer.reset()


def _never_ends_its_line(_: Trial, peer: Peer) -> None:
    peer.send(b"x" * (MAX_LINE + 4096))
    peer.expect_error(f"line longer than {MAX_LINE} bytes", f"sent {MAX_LINE + 4096} bytes without LF")
    peer.close()


def _leaves_its_answer(server: Trial, peer: Peer) -> None:
    peer.send(text(server, LONG) + b"\n", reading=False)
    peer.reset()


@points(
    5,
    "clients wait for a worker as long as it takes",
    after=("workers", "rests"),
    hint="A waiting client stays in the backlog or in the queue, for minutes if necessary: no timer may start a worker "
    "for it, greet it, or send it away.",
)
def test_long_wait(aside: Aside) -> None:
    """Keep all workers busy with silent clients for some seconds: no other client is served until one leaves."""
    full = aside.outwait()
    for peer in full.waiting:
        peer.expect_nothing("all workers are busy, each with a client that has been silent for some seconds")
    gone = full.served.pop()
    gone.close()
    if full.waiting:  # otherwise the accept queue had no room for another client
        next_in_line(aside.server, full.waiting, f"{gone.name} has left, so a worker is free").ask(b"at last")


FAULTS: dict[str, tuple[bool, Callable[[Trial, Peer], None]]] = {
    "left without CONFIRM": (False, lambda _, peer: peer.close()),
    "reset the connection before CONFIRM": (False, _resets_at_once),
    "confirmed wrongly": (False, _confirms_wrongly),
    "reset the connection in a line": (True, _resets_in_a_line),
    "sent too long a line": (True, _never_ends_its_line),
    "reset the connection without reading its answer": (True, _leaves_its_answer),
}
"""What a client does, and whether it has confirmed before."""


def the_same_again(server: Trial, *models: str) -> None:
    """Fill the server twice: the same workers must serve, by one of ``models`` or by the lab's model."""
    fill(server).leave(server)  # now a pool that grows has grown
    first, second = _workers(server, models), _workers(server, models)
    if 2 * len(first & second) < len(first):
        raise WrongError(
            f"{len(first)} workers served the first clients; when these had left, {len(second - first)} of the "
            f"{len(second)} workers that served the next clients were new",
            server.situation().text(),
        )
    must_serve_when_stuck(server)


def _workers(server: Trial, models: tuple[str, ...]) -> set[TaskId]:
    """Fill the server, see that it is a pool, and let all clients go. Return the tasks that answered."""
    full = fill(server)
    serving = server.serving(full.served)
    serving.must_be(*models)
    full.leave(server)
    return serving.workers


def the_same_late(server: Trial, *models: str) -> None:
    """Let hundreds of clients come and go: then as many are served at once as before, by ``models`` or the lab's."""
    full = fill(server)
    full.leave(server)
    server.come_and_go(server.some(*LATE))
    late = fill(server)
    have_talked(server, late.served)
    if len(late.served) != len(full.served):
        raise WrongError(
            f"At first {len(full.served)} clients were served at once; after many clients, only {len(late.served)} are",
            server.situation().text(),
        )
    server.serving(late.served).must_be(*models)


def must_accept_themselves(server: Trial) -> None:
    """Expect that only workers wait for the next client: all of them, or one at a time.

    Raises WrongError if another task accepts, UndeterminedError if that cannot be seen.
    """
    fill(server).leave(server)  # a task made for the first client exists now
    server.settle()
    idle = server.situation()
    waiting = [task for task in idle.look.tasks.values() if task.sockets & idle.look.listeners]
    peers, accepted = server.accepting(lambda: fill(server).served)
    serving = server.serving(peers)
    others = [task for task in waiting if task.id not in serving.workers]
    if others:
        raise WrongError(
            f"{idle.name_of(others[0].id)} waits for the next client while no client is connected, but serves none "
            f"of the {len(serving.workers)} clients that are served at once: it accepts for others",
            idle.text(),
        )
    must_serve_those_accepted(serving, accepted)
    if idle.look.hidden or not waiting:
        raise UndeterminedError("Which task waits for the next client cannot be seen here", idle.text())


def must_serve_those_accepted(serving: Serving, accepted: Accepted, *, process: bool = False) -> None:
    """Expect that the task that accepts a client serves it; with ``process``, another task of its process may.

    Raises UndeterminedError if that was not seen.
    """
    for number, task in accepted.by.items():
        workers = serving.works.get(number, frozenset({task}))
        if task not in workers and not (process and task[0] in {pid for pid, _ in workers}):
            who, other = serving.situation.name_of(task), serving.situation.name_of(min(workers))
            raise WrongError(
                f"{who} accepted client {number}, and {other} serves it: it accepts for others",
                serving.situation.text(),
            )
    if accepted.problem:
        raise UndeterminedError(f"Which task accepts could not be traced: {accepted.problem}", serving.situation.text())


def must_replace(server: Trial) -> None:
    """Kill two worker processes, one after the other, each while it serves a client: others must take their place.

    A process that the submission itself has not started is left alone, and so is one that cannot be seen to serve.
    """
    server.told.strict = False  # its successor may begin with the same number: that does not matter here
    full = fill(server)
    for gone in full.served[:2] if full.waiting else ():
        server.settle()
        situation = server.situation()
        look = situation.look
        pids = {task.pid for task in situation.reading_from(gone.number)}
        for pid in (pid for pid in pids if look.processes[pid].parent in look.processes):
            server.kill(pid)
            gone.close()
            killed = f"{situation.name_of((pid, pid))}, that served {gone.name}, was killed"
            next_in_line(server, full.waiting, killed, guess=False).ask(b"by its successor")

"""From testimony to a model.

First the straight path: who holds the connections (loops, threads, processes, a single task), were they made for
them, is their number bounded, do they stay. Then the check: a witness whose word counts and who cannot have seen this
model under examination turns the answer into *undetermined*, with all that was seen.
"""

from threadserver.inspection.pattern import Pattern, all_loops, idle_brothers, mechanism
from threadserver.inspection.processes import owners
from threadserver.inspection.record import Record
from threadserver.inspection.rounds import CROWD
from threadserver.inspection.subject import Phase
from threadserver.inspection.verdict import (
    FORKS,
    ITERATIVE,
    LOOP,
    LOOP_AND_WORKERS,
    LOOPS,
    POOL,
    PREFORK,
    THREADS,
    UNDETERMINED,
    Verdict,
)  # fmt: skip
from threadserver.inspection.witnesses import WITNESSES
from threadserver.inspection.witnesses.sender import works_beside

UNBOUNDED = CROWD[0]
"""So many threads at once, with no end in sight, are no pool."""

Answer = tuple[str, int | None, str | None, str]
"""Model, workers, mechanism, sentence."""


def judge(record: Record) -> Verdict:
    """Name the model."""
    testimony = tuple(said for witness in WITNESSES if (said := witness(record)))
    model, workers, how, sentence = _answer(record)
    against = [said for said in testimony if not said.agrees(model)]
    if model != UNDETERMINED and any(said.name in {"who works", "queue"} for said in against):
        names = " and ".join(said.name for said in against)
        sentence = f"The witnesses contradict each other: it looks like {model}, but not to the witness {names}."
        model, workers, how = UNDETERMINED, None, None
    return Verdict(model, workers, how, sentence, testimony)


def _answer(record: Record) -> Answer:
    found = record.hold
    if not found.sight.accepted:
        return _nobody(record)
    if found.sight.look.hidden:
        return _undetermined(
            "What the tasks are blocked in may not be seen; run classify as the server's owner or as root."
        )
    if found.doubtful:
        return _doubtful(record)
    if record.dedicated and record.spoken:
        return _dedicated(record, record.spoken)
    if found.looped:
        return _loops(record)
    if not found.single:
        return _unseen(record)
    if len(found.holders | found.foreign) == 1:
        return _single(record)
    return _one_each(record)


def _undetermined(sentence: str) -> Answer:
    return UNDETERMINED, None, None, sentence


def _nobody(record: Record) -> Answer:
    """None of our connections is held: all wait, or were closed."""
    found = record.hold
    phases = set(found.sight.phases.values())
    if phases == {Phase.GONE}:
        return _undetermined(
            "The server closed every connection at once: it may be full, or not take clients from here."
        )
    if Phase.DEFERRED in phases:
        return _undetermined(
            "The kernel keeps connections back until the first bytes come (TCP_DEFER_ACCEPT); "
            "silence shows nothing, so say something with --send."
        )
    if found.foreign:
        return _foreign(found)
    return _undetermined("The server accepts no connection at present: it is stopped, stuck, or at its limit.")


def _foreign(found: Pattern) -> Answer:
    """Others' clients occupy the server: they show how it serves."""
    holders = found.foreign
    if len(holders) == 1:
        return ITERATIVE, None, None, "One task serves another client, and all of ours wait until it has gone."
    if len({pid for pid, _ in holders}) == len(holders):
        return PREFORK, len(holders), None, f"All {len(holders)} processes serve other clients, and all of ours wait."
    return POOL, len(holders), None, f"All {len(holders)} threads serve other clients, and all of ours wait."


def _loops(record: Record) -> Answer:
    found = record.hold
    loops = all_loops(found)
    how = mechanism(loops.values())
    workers = _workers_of(record)
    if workers is not None:
        sentence = f"A task waits for all clients with {how}, and other tasks work on what they say."
        return LOOP_AND_WORKERS, workers or None, how, sentence
    if _undecided(record):
        return _undetermined(
            f"A task waits for all clients with {how}; whether the idle threads beside it work for it shows only when "
            "something is said (--send), and who sends the answer only where that may be traced."
        )
    if len(loops) > 1:
        kind = "processes" if len({pid for pid, _ in loops}) == len(loops) else "threads"
        return LOOPS, len(loops), how, f"{len(loops)} {kind} each wait for many clients at once, with {how}."
    held = len(found.in_loops)
    return LOOP, None, how, f"One task waits for all {held} clients at once, with {how}, and serves whoever is ready."


def _dedicated(record: Record, spoken: Pattern) -> Answer:
    """Judge connections that a loop held until their first bytes have each a task of their own now."""
    how = mechanism(record.hold.loops.values())
    left = len(spoken.in_loops & set(record.hold.sight.accepted))
    if not record.made or left or spoken.unwatched:
        return (
            LOOP_AND_WORKERS,
            len(spoken.holders),
            how,
            (
                f"A task waits for all silent clients with {how}; "
                f"with its first bytes a client gets one of {len(spoken.holders)} workers."
            ),
        )
    if len(spoken.processes) == len(spoken.single):
        return (
            FORKS,
            None,
            None,
            f"With its first bytes each client gets a process of its own; until then a loop waits, with {how}.",
        )
    return (
        THREADS,
        None,
        None,
        f"With its first bytes each client gets a thread of its own; until then a loop waits, with {how}.",
    )


def _workers_of(record: Record) -> int | None:
    """How many workers a loop has, 0 when that cannot be said; None when it has none."""
    loops = set(all_loops(record.hold))
    if record.senders:
        busy = record.senders - loops
        return record.crew if busy else None
    return record.crew if works_beside(record.companions) else None


def _undecided(record: Record) -> bool:
    """Tell whether idle threads beside a loop may be its workers for all that was seen."""
    loops = set(all_loops(record.hold))
    if record.senders or not loops:
        return False
    if record.asked:
        return bool(record.companions)
    return record.alike > 1


def _doubtful(record: Record) -> Answer:
    """Judge that a loop and a task of its own wait for each connection: only who answers can tell."""
    loops = set(all_loops(record.hold))
    if record.senders and record.senders <= loops:
        how = mechanism(record.hold.loops.values())
        held = len(record.hold.in_loops)
        if len(loops) > 1:
            return (
                LOOPS,
                len(loops),
                how,
                f"{len(loops)} tasks each wait for many clients, with {how}, and they answer.",
            )
        return (
            LOOP,
            None,
            how,
            f"One task waits for all {held} clients with {how} and answers them; the others are decoys.",
        )
    if record.senders:
        return (
            THREADS,
            None,
            None,
            "Each connection is answered by a thread of its own, though a loop watches them, too.",
        )
    return _undetermined(
        "Each connection is waited for twice, by a loop and by a task of its own; who answers could not be seen "
        f"({record.trace or 'nothing was said: try --send'})."
    )


def _unseen(record: Record) -> Answer:
    """Judge that connections were accepted, and no task waits for any."""
    tasks = record.hold.sight.look.tasks
    held = len(record.hold.sight.accepted)
    if len(tasks) == 1 and held > 1:
        return LOOP, None, None, f"One task alone has all {held} connections and tries each in turn."
    return _undetermined("Connections are accepted, but no task was seen to wait for any of them; try --send.")


def _single(record: Record) -> Answer:
    """One task serves one client while others wait."""
    found = record.hold
    ((pid, tid),) = found.holders | found.foreign
    look = found.sight.look
    if not record.bounded:
        return _undetermined("Only one connection could be held, and none was left waiting.")
    threads_for_them = len(look.tasks) - len(record.baseline.look.tasks) >= len(found.sight.accepted) > 1
    if threads_for_them:
        return (
            ITERATIVE,
            None,
            None,
            ("It makes a thread for each client, but they wait for one lock: one client is served at a time."),
        )
    made = any(record.new_holders.values())
    if made and found.sight.queued:
        maker = "a process" if pid not in record.baseline.look.processes else "a thread"
        return (
            ITERATIVE,
            None,
            None,
            f"It makes {maker} for a client, and waits until it has ended before it accepts the next.",
        )
    if found.unwatched and not (tid == pid and len(look.tasks) == 1):
        return POOL, 1, None, "Connections are accepted and queued for one worker thread, which serves one at a time."
    master = look.processes[pid].parent
    if master in look.processes and _has_listener(record, master):
        return (
            PREFORK,
            1,
            None,
            "A process made beforehand serves one client at a time, and its master only watches over it.",
        )
    return ITERATIVE, None, None, "One task serves one client at a time; the next is accepted when it has gone."


def _has_listener(record: Record, pid: int) -> bool:
    return any(pid in pids for pids in owners(record.hold.sight.look.listeners, [pid]).values())


def _one_each(record: Record) -> Answer:
    """Each connection is held by a task of its own."""
    found = record.crowd or record.hold
    if (
        record.spoken
        and record.answered
        and len(record.spoken.in_loops & set(record.asked)) * 2 >= len(record.asked) > 0
    ):
        how = mechanism(record.spoken.loops.values())
        workers = len(record.hold.holders) if record.bounded else None
        return (
            LOOP_AND_WORKERS,
            workers,
            how,
            f"A worker reads each request, and a loop keeps idle connections, with {how}.",
        )
    if len(record.hold.processes) == len(record.hold.single) and not _threads_in(record.hold):
        return _process_each(record)
    served = len(found.holders | found.foreign)
    made = list(record.new_holders.values())
    if record.empty_loops and not record.answered:
        return _undetermined(
            f"Each silent connection has a thread, but {record.empty_loops} tasks wait in epoll for clients not "
            "given to them yet: what they are for shows only when something is said (--send)."
        )
    if record.bounded and all(made) and (not record.stayed or (served >= UNBOUNDED and record.fleeting)):
        return THREADS, None, None, f"Each connection gets a thread of its own, {served} at once; more clients wait."
    if record.bounded:
        grown = ", made as they were needed," if all(made) else ""
        queued = "wait to be accepted" if found.sight.queued else "are queued for them"
        return POOL, served, None, f"{served} threads{grown} serve one client each; more clients {queued}."
    if all(made) and not record.stayed:
        limit = f" Beyond {served} at once they are turned away." if record.refused else ""
        return THREADS, None, None, f"Each connection gets a new thread of its own, which ends with it.{limit}"
    if any(made) and (len(found.single) >= UNBOUNDED or record.refused or (all(made) and record.fleeting)):
        return (
            THREADS,
            None,
            None,
            "Each connection gets a thread of its own; threads of former clients are used again.",
        )
    if not any(made):
        count = len({*found.holders, *found.foreign, *idle_brothers(found)})
        return POOL, count, None, f"Threads made beforehand, {count} of them, serve one client each."
    return _undetermined(
        f"Each of {len(found.single)} connections has a thread, and threads stay for more: a pool of more or without "
        "bound; a longer --time-limit can tell."
    )


def _threads_in(found: Pattern) -> bool:
    """Tell whether the connections are held by several threads of any one process."""
    return len(found.processes) < len(found.holders)


def _process_each(record: Record) -> Answer:
    found = record.hold
    made = list(record.new_holders.values())
    served = len(found.holders | found.foreign)
    if sum(made) * 2 > len(made):
        waits_again = record.stayed and not record.bounded and _stayed_for_more(record)
        if not waits_again and not (record.bounded and record.stayed):
            return FORKS, None, None, "Each connection gets a process of its own, which ends with it."
        return (
            PREFORK,
            served,
            None,
            "Processes, made as they were needed, serve one client each and wait for the next.",
        )
    count = len({pid for pid, _ in {*found.holders, *found.foreign, *idle_brothers(found)}})
    if record.bounded:
        return PREFORK, count, None, f"{count} processes made beforehand serve one client each; more clients wait."
    return PREFORK, count, None, f"Processes made beforehand, {count} of them, serve one client each."


def _stayed_for_more(record: Record) -> bool:
    """Tell whether the processes that stayed have the listening socket, and can take the next client."""
    return sum(_has_listener(record, pid) for pid, _ in record.stayed or ()) * 2 > len(record.stayed or ())

"""Rules for servers in which each connection has a task or a process of its own, or one task serves them in turn."""

from threadserver.core.plurals import count
from threadserver.inspection import sentences
from threadserver.inspection.answers import answer, undetermined
from threadserver.inspection.pattern import Pattern, idle_siblings, keepers
from threadserver.inspection.record import Record
from threadserver.inspection.verdict import Verdict
from threadserver.kernel.processes import owners
from threadserver.kernel.testimony import Model

UNBOUNDED = 256
"""A server with this many threads at once, and no limit in sight, is not a pool."""
ABUNDANT = 64
"""This many threads, each made for a client and ending after a while without one, are not a pool, even with a limit."""


def single(record: Record) -> Verdict:
    """Judge that one task serves one client while others wait."""
    found = record.hold
    ((pid, tid),) = found.holders | found.foreign
    look = found.sight.look
    if not record.bounded:
        return undetermined(sentences.ONLY_ONE)
    if len(look.tasks) - len(record.baseline.look.tasks) >= len(found.sight.accepted) > 1:
        return answer(Model.ITERATIVE, sentences.ITERATIVE_LOCKED)
    if any(record.new_holders.values()) and found.sight.queued:
        maker = "a thread" if pid in record.baseline.look.processes else "a process"
        return answer(Model.ITERATIVE, sentences.ITERATIVE_WAITING, maker=maker)
    if found.unwatched and not (tid == pid and len(look.tasks) == 1):
        return answer(Model.POOL, sentences.POOL_OF_ONE, workers=1)
    parent = look.processes[pid].parent
    if parent in look.processes and _has_listener(record, parent):
        return answer(Model.PREFORK, sentences.PREFORK_OF_ONE, workers=1)
    return answer(Model.ITERATIVE, sentences.ITERATIVE)


def _has_listener(record: Record, pid: int) -> bool:
    return any(pid in pids for pids in owners(record.hold.sight.look.listeners, [pid]).values())


def one_each(record: Record) -> Verdict:
    """Judge that each connection is held by a task of its own: a thread or a process."""
    found = record.hold
    kept = record.kept()
    if kept:
        workers = len(found.holders) if record.bounded else None
        where = record.alone if record.alone and not (record.spoken and record.spoken.loops) else record.spoken
        return answer(Model.LOOP_AND_WORKERS, sentences.WORKERS_BEFORE_LOOP, workers=workers, loops=where)
    if len(found.processes) == len(found.single) == len(found.holders):
        return _process_each(record)
    if record.empty_loops and not record.answered:
        waiting = count(record.empty_loops, "task waits", "tasks wait")
        return undetermined(sentences.THREADS_OR_LOOPS, idle=waiting)
    return _bounded(record, kept) if record.bounded else _unbounded(record)


def _bounded(record: Record, kept: bool | None) -> Verdict:
    """Judge that a limited number of threads serve while more clients wait."""
    found = record.crowd or record.hold
    served = len(found.holders | found.foreign)
    made = all(record.new_holders.values())
    if made and (record.stayed == set() or (served >= ABUNDANT and record.fleeting)):
        return answer(Model.THREADS, sentences.THREADS_LIMITED, served=served)
    if kept is None and keepers(record.hold):
        return undetermined(sentences.POOL_DOUBTED, served=served)
    queued = "wait to be accepted" if found.sight.queued else "wait in a queue"
    return answer(Model.POOL, sentences.POOL_GROWN if made else sentences.POOL, workers=served, queued=queued)


def _unbounded(record: Record) -> Verdict:
    """Judge that no client waits: threads are made for the clients, or there are more than were needed."""
    found = record.crowd or record.hold
    made = list(record.new_holders.values())
    if all(made) and record.stayed == set():
        served = len(found.holders | found.foreign)
        return answer(Model.THREADS, sentences.THREADS_REFUSED if record.refused else sentences.THREADS, served=served)
    if any(made) and (len(found.single) >= UNBOUNDED or record.refused or (all(made) and record.fleeting)):
        return answer(Model.THREADS, sentences.THREADS_CACHED)
    if record.hurried:
        return undetermined(sentences.HURRIED, held=len(found.single), kind="thread")
    if not any(made):
        workers = {*found.holders, *found.foreign, *idle_siblings(found)}
        return answer(Model.POOL, sentences.POOL_NOT_FULL, workers=len(workers))
    return undetermined(sentences.UNBOUNDED, held=len(found.single))


def _process_each(record: Record) -> Verdict:
    found = record.hold
    made = list(record.new_holders.values())
    if record.stayed is None or (record.hurried and not record.bounded and not all(made)):
        return undetermined(sentences.HURRIED, held=len(found.single), kind="process")
    if sum(made) * 2 > len(made):
        waits_again = bool(record.stayed) and (record.bounded or _stayed_for_more(record))
        if not waits_again:
            return answer(Model.FORKS, sentences.FORKS)
        return answer(Model.PREFORK, sentences.PREFORK_GROWN, workers=len(found.holders | found.foreign))
    sentence = sentences.PREFORK if record.bounded else sentences.PREFORK_NOT_FULL
    return answer(Model.PREFORK, sentence, workers=len({pid for pid, _ in _all_holders(found)}))


def _all_holders(found: Pattern) -> set[tuple[int, int | None]]:
    # A task that goes on accepting while an accepted client waits for service only hands clients over.
    return {*found.holders, *found.foreign, *(() if found.unwatched else idle_siblings(found))}


def _stayed_for_more(record: Record) -> bool:
    """Tell whether the processes that remain have the listening socket, and so can take the next client."""
    return sum(_has_listener(record, pid) for pid, _ in record.stayed or ()) * 2 > len(record.stayed or ())

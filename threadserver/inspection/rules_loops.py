"""Rules for servers whose loops hold the connections, at least until something is sent on them."""

from threadserver.core.plurals import count
from threadserver.inspection import sentences
from threadserver.inspection.answers import answer, undetermined
from threadserver.inspection.pattern import Pattern, all_loops, siblings_aside, siblings_handed
from threadserver.inspection.record import Record
from threadserver.inspection.verdict import Verdict
from threadserver.inspection.witnesses.sender import works_beside
from threadserver.kernel.testimony import Model


def looped(record: Record) -> Verdict:
    """Judge loops by the tasks that work when something is sent."""
    found = record.hold
    workers = _workers_of(record)
    if workers is not None:
        return answer(Model.LOOP_AND_WORKERS, sentences.LOOP_WITH_WORKERS, workers=workers, loops=found)
    if _undecided(record):
        return undetermined(sentences.LOOP_DOUBTED, loops=found)
    if record.hurried and not record.asked:
        return undetermined(sentences.HURRIED_LOOP, loops=found)
    if record.unanswered:
        return undetermined(sentences.LOOP_UNANSWERED, loops=found, unanswered=len(record.unanswered))
    if aside := siblings_aside(found):
        siblings = count(len(aside), "process", "processes")
        return undetermined(sentences.LOOP_AND_OTHERS, loops=found, siblings=siblings)
    return _many(found) if len(all_loops(found)) > 1 else _one(found)


def _many(found: Pattern) -> Verdict:
    loops = all_loops(found)
    kind = "processes" if len({pid for pid, _ in loops}) == len(loops) else "threads"
    return answer(Model.LOOPS, sentences.MANY_LOOPS, workers=len(loops), loops=found, kind=kind)


def _one(found: Pattern) -> Verdict:
    if handed := siblings_handed(found):
        siblings = count(len(handed), "process", "processes")
        return undetermined(sentences.LOOP_HANDED, loops=found, siblings=siblings)
    return answer(Model.LOOP, sentences.ONE_LOOP, loops=found, held=len(found.in_loops))


def _workers_of(record: Record) -> int | None:
    """Return how many workers a loop has, 0 when their number is unknown; None when it has none."""
    if record.senders:
        others = record.senders - set(all_loops(record.hold))
        return record.crew if others or record.woken else None
    seen = bool(record.answered) and works_beside(record.companions) and not _may_be_decoys(record)
    return record.crew if seen else None


def _may_be_decoys(record: Record) -> bool:
    """Tell whether the tasks that run beside the loops were woken by the same bytes, or could not be traced in time."""
    tasks = record.hold.sight.look.tasks
    peeking = {key for key in set().union(*record.companions) if key in tasks and tasks[key].call.peeks}
    return record.hurried or bool(peeking)


def _undecided(record: Record) -> bool:
    """Tell whether idle threads beside a loop may still be its workers."""
    if record.senders or not all_loops(record.hold):
        return False
    if record.asked:
        return bool(record.companions) or record.short_lived
    return record.alike > 1


def dedicated(record: Record, spoken: Pattern) -> Verdict:
    """Judge connections that a loop held until their first bytes, and that now have a task of their own."""
    left = len(spoken.in_loops & set(record.hold.sight.accepted))
    if not record.made or left or spoken.unwatched:
        return answer(
            Model.LOOP_AND_WORKERS, sentences.WORKERS_ON_FIRST_BYTES, workers=len(spoken.holders), loops=record.hold
        )
    if len(spoken.processes) == len(spoken.single):
        return _without_loops(Model.FORKS, sentences.FORK_ON_FIRST_BYTES, record.hold)
    return _without_loops(Model.THREADS, sentences.THREAD_ON_FIRST_BYTES, record.hold)


def _without_loops(model: Model, sentence: str, found: Pattern) -> Verdict:
    """Return a verdict that names the loops in its sentence only: they are not what makes the model."""
    return Verdict(model, None, None, answer(model, sentence, loops=found).sentence)


def doubtful(record: Record) -> Verdict:
    """Judge that both a loop and a task of its own wait for each connection: only the answers can tell."""
    found = record.hold
    loops = all_loops(found)
    if not record.senders:
        why = record.trace or "nothing was sent: try --send"
        return undetermined(sentences.WAITED_FOR_TWICE, loops=found, why=why)
    if not record.senders <= set(loops):
        return answer(Model.THREADS, sentences.THREADS_DESPITE_LOOP)
    if len(loops) > 1:
        return answer(Model.LOOPS, sentences.LOOPS_AMONG_DECOYS, workers=len(loops), loops=found)
    return answer(Model.LOOP, sentences.LOOP_AMONG_DECOYS, loops=found, held=len(found.in_loops))

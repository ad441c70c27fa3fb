"""From testimony to a model.

First the straight path: which tasks hold the connections? Loops (`rules_loops`), or a task for each (`rules_apart`).
Then the check: if a witness that counts has seen something that this model cannot show, the answer becomes
*undetermined*, and the evidence stands beside it.
"""

from dataclasses import replace

from threadserver.inspection import sentences
from threadserver.inspection.answers import answer, undetermined
from threadserver.inspection.pattern import Pattern
from threadserver.inspection.record import Record
from threadserver.inspection.rules_apart import one_each, single
from threadserver.inspection.rules_loops import dedicated, doubtful, looped
from threadserver.inspection.subject import Phase
from threadserver.inspection.verdict import Verdict
from threadserver.inspection.witnesses import WITNESSES
from threadserver.kernel.testimony import Model


def judge(record: Record) -> Verdict:
    """Return the model, with the testimony of all witnesses."""
    testimony = tuple(said for witness in WITNESSES if (said := witness(record)))
    found = _answer(record)
    against = [said.name for said in testimony if not said.agrees(found.model)]
    if found.model != Model.UNDETERMINED and {"activity", "queue"} & set(against):
        names = " and ".join(f'"{name}"' for name in against)
        found = undetermined(sentences.CONTRADICTION, model=found.model, names=names)
    return replace(found, witnesses=testimony)


def _answer(record: Record) -> Verdict:
    found = record.hold
    if not found.sight.accepted:
        return _none_held(record)
    if found.sight.look.hidden:
        return undetermined(sentences.HIDDEN)
    if found.doubtful:
        return doubtful(record)
    if record.dedicated and record.spoken:
        return dedicated(record, record.spoken)
    if found.looped:
        return looped(record)
    if not found.single:
        return _unseen(record)
    return (_suspected(record) if record.suspect else None) or _apart(record)


def _apart(record: Record) -> Verdict:
    alone = len(record.hold.holders | record.hold.foreign) == 1
    return single(record) if alone else one_each(record)


def _none_held(record: Record) -> Verdict:
    """Judge that none of our connections is held: all of them wait, or were closed."""
    found = record.hold
    phases = set(found.sight.phases.values())
    if phases == {Phase.GONE}:
        return undetermined(sentences.FULL)
    if Phase.DEFERRED in phases:
        return undetermined(sentences.DEFERRED)
    return _foreign(found) if found.foreign else undetermined(sentences.STUCK)


def _foreign(found: Pattern) -> Verdict:
    """Judge by other clients, which keep the server busy: they show how it serves."""
    workers = len(found.foreign)
    if workers == 1:
        return answer(Model.ITERATIVE, sentences.BUSY_ITERATIVE)
    if len({pid for pid, _ in found.foreign}) == workers:
        return answer(Model.PREFORK, sentences.BUSY_PREFORK, workers=workers)
    return answer(Model.POOL, sentences.BUSY_POOL, workers=workers)


def _unseen(record: Record) -> Verdict:
    """Judge that connections were accepted although no task waits for them."""
    held = len(record.hold.sight.accepted)
    if len(record.hold.sight.look.tasks) == 1 and held > 1:
        return answer(Model.LOOP, sentences.LOOP_THAT_TRIES, held=held)
    return undetermined(sentences.UNSEEN)


def _suspected(record: Record) -> Verdict | None:
    """Judge that the tasks that wait may not be those that serve; None when they were seen to answer."""
    if not record.senders:
        doubt = "it only peeks at the data" if record.hold.peeked else "no task waits for the next client"
        return undetermined(
            sentences.UNSURE_WHO_SERVES, doubt=doubt, why=record.trace or "nothing was sent: try --send"
        )
    if not record.strangers:
        return None
    if len(record.senders) == 1:
        return answer(Model.LOOP, sentences.LOOP_BEHIND_DECOYS)
    return undetermined(sentences.CONTRADICTION, model="one task per connection", names='"activity"')

"""How many connections are served at once, and whether more than that stay in a queue."""

from threadserver.core.plurals import count
from threadserver.inspection.record import Record
from threadserver.kernel.testimony import EVENT_DRIVEN, Model, Testimony


def testify(record: Record) -> Testimony:
    """Tell a limited number of workers from an unlimited one."""
    found = record.crowd or record.hold
    held, queued = len(found.sight.phases), len(found.sight.queued)
    served = len(found.single) + len(found.in_loops)
    others = f", and {len(found.foreign)} of other clients" if found.foreign else ""
    if not record.bounded and not queued:
        answers = count(len(record.answered), "was", "were")
        answered = f", and {answers} answered while the others were silent" if record.answered else ""
        allows = EVENT_DRIVEN | {Model.THREADS, Model.FORKS, Model.POOL, Model.PREFORK}
        taken = "the only connection was" if served == 1 else f"all {served} connections were"
        return Testimony("queue", allows, f"{taken} accepted without waiting{answered}")
    unread = len(found.unwatched)
    waiting = count(queued, "waits", "wait") + " to be accepted"
    unread_too = count(unread, "was", "were") + " accepted, but no task reads " + ("it" if unread == 1 else "them")
    served_now = f"{len(found.holders)} of {count(held, 'connection')} {'is' if len(found.holders) == 1 else 'are'}"
    evidence = f"{served_now} served{others}; {waiting if queued else unread_too}"
    if (record.stayed is not None and not record.stayed) or record.fleeting:
        return Testimony(
            "queue",
            {Model.POOL, Model.PREFORK, Model.LOOP_AND_WORKERS, Model.THREADS, Model.FORKS, Model.ITERATIVE},
            evidence,
        )
    if len(found.holders | found.foreign) == 1:
        return Testimony("queue", {Model.ITERATIVE, Model.POOL, Model.PREFORK}, evidence)
    return Testimony("queue", {Model.POOL, Model.PREFORK, Model.LOOP_AND_WORKERS}, evidence)

"""Leaks: what a server keeps of clients that have gone, and what it gathers while it serves.

A server may keep something for the next client, and some have to: a pool of threads that has grown, a child that is
waited for when the next one comes. So whoever holds more than before is given some clients more: a pool does not grow
again, a leak does.
"""

import time
from dataclasses import replace

from clients.load import LoadError, Plan, holding
from threadserver.comparison import kernel
from threadserver.comparison.kernel import Sample
from threadserver.comparison.serving import Subject
from threadserver.comparison.wording import amount

MOMENT, REST = 0.2, 1.0
"""Seconds of doing nothing after which a server that all clients have left is suspected, and after which it is known,
to let go of nothing more."""
PATIENCE = 15.0
"""Seconds after which one that never rests is judged as it is."""
LITTLE = 3
"""Descriptors, tasks or zombies up to which nobody looks any further."""
AGAIN = 8, 64
"""So many clients it is given once more, at least and at most."""
GROWTH = 2 << 20
"""Bytes by which each process may grow under a steady load: a thread's first use of its stack, a heap in pieces, pages
that it shared with its parent until it wrote on them."""
GROWTH_EACH = 16
"""Bytes for each request that are no leak."""


def held(subject: Subject, before: Sample, plan: Plan) -> str | None:
    """Say what a server holds for clients that have gone; None when it has let go, or would hold no more than that."""
    once = _left(subject, before, max(LITTLE, plan.connections // 2), MOMENT)
    if not once:
        return None
    clients = min(max(plan.connections, AGAIN[0]), AGAIN[1])
    resting = kernel.sample(subject.keeper)
    try:
        with holding(replace(plan, connections=clients, processes=1, rate=None)):
            pass
    except LoadError:
        return None
    again = _left(subject, resting, clients // 2, REST)
    if not again:
        return None
    return f"all clients had gone, and it still held {once}; {clients} clients later {again}"


def grown(subject: Subject, weights: dict[int, int] | None, requests: int) -> str | None:
    """Say by how much a server has grown since the load was on in full, although its clients have gone.

    Nothing can be said where processes have come or gone: what they shared with the others now counts for these.
    """
    now = kernel.weigh(subject.keeper)
    if not (weights and now and requests) or weights.keys() != now.keys():
        return None
    more = sum(now.values()) - sum(weights.values())
    if more < max(GROWTH * len(now), GROWTH_EACH * requests):
        return None
    since = f"its memory had grown by {amount(more, 'bytes')} since: {more // requests} bytes for each request"
    return f"all clients of a steady load had gone, and {since}"


def _left(subject: Subject, before: Sample, slack: int, rest: float) -> str:
    """Wait until a server holds hardly more than before, or has rested so long; say what it still holds then."""
    now = resting = kernel.sample(subject.keeper)
    end = now.time + PATIENCE
    while found := _more(now, before, slack):
        if now.switches != resting.switches or now.zombies != resting.zombies:
            resting = now
        if now.time - resting.time > rest or now.time > end:
            return found
        time.sleep(REST / 50)
        now = kernel.sample(subject.keeper)
    return ""


def _more(now: Sample, before: Sample, slack: int) -> str:
    more = {
        "descriptors": (now.descriptors or 0) - (before.descriptors or 0),
        "tasks": now.tasks - before.tasks,
        "zombies": now.zombies - before.zombies,
    }
    return ", ".join(f"{count} more {what}" for what, count in more.items() if count > slack)

"""Leaks: what a server keeps of clients that have gone, and what it gathers while it serves.

A server may keep something for the next client: a pool of threads that has grown, a heap, a child that is waited for
when the next one comes. So whoever holds more than before is given as many clients at a time once more, thousands of
them where it is quick: a pool, and a heap that has reached its bound, do not grow again, and a leak does.
"""

import time
from collections.abc import Callable
from dataclasses import replace
from functools import partial

from threadserver.clients.load import LoadError, Plan, Result, run
from threadserver.clients.load.workloads import CONNECTION_PER_REQUEST
from threadserver.comparison import counters
from threadserver.comparison.counters import Sample
from threadserver.comparison.number_format import amount, number
from threadserver.comparison.running_contestant import Subject

SUSPECTED_AFTER, KNOWN_AFTER = 0.2, 4.0
"""Seconds of doing nothing after which a server that all clients have left is suspected, and after which it is known,
to let go of nothing more."""
PATIENCE = 15.0
"""Seconds after which one that never rests is judged as it is."""
REPEAT_SECONDS = 0.3
"""Seconds for which clients come once more."""
TOLERATED = 3
"""Descriptors, tasks or zombies up to which nobody looks any further."""
ONE_IN = 50
"""A leak is what grows by one for so many connections, and by `TOLERATED`."""
GROWTH = 2 << 20
"""Bytes by which each process may grow: a thread's first use of its stack, a heap in pieces, pages that it shared with
its parent until it wrote on them."""
PER_REQUEST, PER_CONNECTION = 16, 1024
"""Bytes for each request, and for each connection, that are no leak."""
REPEATS = 2
"""So often in a row memory must grow: a heap that is collected now and then grows for a while, and then no more."""

Memory = dict[int, int] | None
"""Proportional memory (PSS) in bytes of each process; None where it may not be seen or is not looked at."""


def held(subject: Subject, before: Sample, plan: Plan) -> str | None:
    """Say what a server holds for clients that have gone; None when it has let go, or would hold no more than that."""
    once = _still_held(subject, before, min(TOLERATED, plan.connections // 2), SUSPECTED_AFTER)
    if not once:
        return None
    resting = counters.sample(subject.keeper)
    connections = _answered(_clients_again(plan))
    again = _still_held(subject, resting, TOLERATED + connections // ONE_IN, KNOWN_AFTER)
    if not again:
        return None
    return f"all clients had gone, and it still held {once}; {number(connections)} connections later {again}"


def grown(subject: Subject, before: Memory, loaded: Memory, plan: Plan, requests: int) -> str | None:
    """Say by how much the memory of a server grows with its requests or connections, although its clients have gone.

    ``before`` is its memory before the load, ``loaded`` when it was on in full. Whether each of few connections or
    each of their requests costs it, a load may not be able to tell. Nothing can be said where processes have come or
    gone: what they shared with the others now counts for these.
    """
    now = counters.memory_by_process(subject.keeper)
    said = ""
    if _more(loaded, now, PER_REQUEST * requests):
        said = _grows(
            subject,
            partial(_load_again, plan),
            "request",
            PER_CONNECTION if plan.workload in CONNECTION_PER_REQUEST else PER_REQUEST,
        )
    if not said and _more(before, now, 0):
        said = _grows(subject, partial(_clients_again, plan), "connection", PER_CONNECTION)
    return said or None


def _grows(subject: Subject, load: Callable[[], Result | None], what: str, slack: int) -> str:
    """Load a server again and again, and say by how much it has grown every time."""
    now = counters.memory_by_process(subject.keeper)
    for _ in range(REPEATS):
        earlier, count = now, _answered(load())
        now = counters.memory_by_process(subject.keeper)
        more = _more(earlier, now, slack * count)
        if not (more and count):
            return ""
    grown = f"its memory grew by {amount(more, 'bytes')}, {number(more // count)} bytes for each"
    return f"all clients had gone, and with each load more, the last of {number(count)} {what}s, {grown}"


def _clients_again(plan: Plan) -> Result | None:
    """Let as many clients at a time come, ask once, and go, again and again."""
    return _run(
        replace(plan, workload="churn", seconds=REPEAT_SECONDS, warm_up=0.0, rate=None, processes=1, payload=64)
    )


def _load_again(plan: Plan) -> Result | None:
    return _run(replace(plan, seconds=min(plan.seconds, REPEAT_SECONDS)))


def _run(plan: Plan) -> Result | None:
    try:
        return run(plan)
    except LoadError:
        return None


def _answered(result: Result | None) -> int:
    """Count the requests, or connections, that were answered in whatever way."""
    return result.latency.count + sum(result.errors.values()) if result else 0


def _more(before: Memory, now: Memory, slack: int) -> int:
    """Give by how many bytes the same processes have grown; 0 where that is no more than it may be."""
    if not (before and now) or before.keys() != now.keys():
        return 0
    more = sum(now.values()) - sum(before.values())
    return more if more > max(GROWTH * len(now), slack) else 0


def _still_held(subject: Subject, before: Sample, slack: int, rest: float) -> str:
    """Wait until a server holds hardly more than before, or has rested so long; say what it still holds then."""
    now = resting = counters.sample(subject.keeper)
    end = now.time + PATIENCE
    while found := _held_more(now, before, slack):
        if now.switches != resting.switches or now.zombies != resting.zombies:
            resting = now
        if now.time - resting.time > rest or now.time > end:
            return found
        time.sleep(SUSPECTED_AFTER / 10)
        now = counters.sample(subject.keeper)
    return ""


def _held_more(now: Sample, before: Sample, slack: int) -> str:
    more = {
        "descriptors": (now.descriptors or 0) - (before.descriptors or 0),
        "tasks": now.tasks - before.tasks,
        "zombies": now.zombies - before.zombies,
    }
    return ", ".join(f"{count} more {what}" for what, count in more.items() if count > slack)

"""Leaks: what a server keeps of clients that have gone, and memory that grows while it serves.

A server may keep something for the next client: a pool of threads that has grown, a heap, a child that it reaps when
the next client comes. So a server that holds more than before gets as many clients at a time again, thousands of them
if it is fast: a pool, or a heap at its bound, does not grow again, but a leak does.
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
"""Seconds of rest after which a server without clients is first suspected, and then known, to free nothing more."""
PATIENCE = 15.0
"""Seconds after which a server that never rests is judged anyway."""
REPEAT_SECONDS = 0.3
"""Seconds of each repeated load."""
TOLERATED = 3
"""Descriptors, tasks or zombies that a server may keep without further checks."""
ONE_IN = 50
"""A leak grows by more than one for this number of connections, plus `TOLERATED`."""
GROWTH = 2 << 20
"""Bytes by which each process may grow: a thread's first use of its stack, a fragmented heap, pages that it shared with
its parent until it wrote to them."""
PER_REQUEST, PER_CONNECTION = 16, 1024
"""Bytes that a server may keep per request and per connection."""
REPEATS = 2
"""Loads in a row after which memory must grow: a heap with a garbage collector grows for a while, and then stops."""

Memory = dict[int, int] | None
"""Proportional memory (PSS) of each process in bytes; None if it is unknown."""


def held(subject: Subject, before: Sample, plan: Plan) -> str | None:
    """Say what a server still holds for clients that have gone; None if it does not hold more and more."""
    once = _still_held(subject, before, min(TOLERATED, plan.connections // 2), SUSPECTED_AFTER)
    if not once:
        return None
    resting = counters.sample(subject.keeper)
    connections = _answered(_clients_again(plan))
    again = _still_held(subject, resting, TOLERATED + connections // ONE_IN, KNOWN_AFTER)
    if not again:
        return None
    return f"after all clients had left it still held {once}; {number(connections)} connections later {again}"


def grown(subject: Subject, before: Memory, loaded: Memory, plan: Plan, requests: int) -> str | None:
    """Say by how much a server's memory grows with its requests or connections, although its clients have gone.

    ``before`` is its memory before the load, ``loaded`` under full load. With few connections, the load may not show
    whether connections or requests cost the memory, so both are tried. The result is None if processes have started or
    ended, because the memory that they shared with others now counts for those.
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
    """Load a server again and again, and say by how much it grows each time."""
    now = counters.memory_by_process(subject.keeper)
    for _ in range(REPEATS):
        earlier, count = now, _answered(load())
        now = counters.memory_by_process(subject.keeper)
        more = _more(earlier, now, slack * count)
        if not (more and count):
            return ""
    each = f"{number(more // count)} bytes per {what}"
    grew = f"its memory grew by {amount(more, 'bytes')} over the last {number(count)} {what}s, {each}"
    return f"after all clients had left, {grew}, and so with every repeated load"


def _clients_again(plan: Plan) -> Result | None:
    """Let the same number of clients at a time connect, ask once, and leave, again and again."""
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
    """Return the number of requests, or connections, that got any answer or an error."""
    return result.latency.count + sum(result.errors.values()) if result else 0


def _more(before: Memory, now: Memory, slack: int) -> int:
    """Return by how many bytes the same processes have grown; 0 if that is within bounds."""
    if not (before and now) or before.keys() != now.keys():
        return 0
    more = sum(now.values()) - sum(before.values())
    return more if more > max(GROWTH * len(now), slack) else 0


def _still_held(subject: Subject, before: Sample, slack: int, rest: float) -> str:
    """Wait until a server holds little more than before, or rests for ``rest`` seconds; say what it still holds."""
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
        "descriptor": (now.descriptors or 0) - (before.descriptors or 0),
        "task": now.tasks - before.tasks,
        "zombie": now.zombies - before.zombies,
    }
    return ", ".join(f"{count} more {what}{'s' * (count != 1)}" for what, count in more.items() if count > slack)

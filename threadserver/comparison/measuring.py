"""One run: one contestant, one cell, one round, in a server that was started for it alone.

What goes wrong is a result like any other, with its own word (`OUTCOMES`) and what the server said last. The counts of
the kernel are taken while the load is on, between two moments within the measured time, so that starting, warming up
and closing count for nothing.
"""

import time
from collections.abc import Callable
from dataclasses import dataclass, replace

from clients.client import ConnectError
from clients.load import SERVICE, LoadError, Plan, Result, holding, run
from clients.load import errors as kinds
from clients.load.running import LOOK
from threadserver.comparison import kernel
from threadserver.comparison.contestants import Contestant
from threadserver.comparison.kernel import Sample
from threadserver.comparison.results import Memory, Run, Server
from threadserver.comparison.serving import NotStartedError, Site, Subject, offers, serving
from threadserver.comparison.wording import amount
from threadserver.comparison.workloads import MILLISECONDS, OCTETS, SLOW_CLIENTS, Cell
from threadserver.errors import KitError, reason

REST = 1.0
"""Seconds of doing nothing after which a server that all clients have left will let go of nothing more."""
PATIENCE = 15.0
"""Seconds after which one that never rests is judged as it is."""
SLACK = 32
"""Descriptors, tasks or zombies that are no leak: a pool that has grown, a few children not yet waited for."""
GROWTH = 2 << 20
"""Bytes by which a server may grow under a steady load: a thread's first use of its stack, a heap in pieces."""
GROWTH_EACH = 16
"""Bytes for each request that are no leak."""
WEIGHED = 64
"""So many processes are weighed while the load is on; more would take too long."""
LAST = 1.2 * LOOK
"""Seconds before the end of the measured time in which the kernel's counts are taken for the second time."""
FIRST = 15.0
"""Seconds that the first client has for its answer: a server that is merely slow is not hung."""
DYING = 1.0
"""Seconds in which a server that has dropped its clients may turn out to have ended."""
_ENDS = {kinds.REFUSED, kinds.RESET, kinds.CLOSED}
_REFUSALS = {*_ENDS, kinds.FULL, kinds.ERROR_LINE}

Tick = Callable[[], None]


@dataclass(frozen=True, slots=True)
class Pace:
    """How long each run takes, in seconds."""

    seconds: float
    warm_up: float
    timeout: float


def measure(contestant: Contestant, cell: Cell, number: int, site: Site, pace: Pace, tick: Tick) -> Run | None:
    """Do one run; None when Ctrl-C has cut it short. Never raises for what a server does."""
    run_ = Run(contestant.name, cell, number)
    service = SERVICE[cell.workload]
    cores = site.all_cores if cell.workload == "spin" else site.servers
    try:
        with serving(contestant, service, cores, site.interpreter) as subject:
            return _examine(run_, subject, _plan(subject, cell, site, pace), tick)
    except NotStartedError as error:
        run_.output = error.output
        return run_.failed("not started", str(error))


def _examine(run_: Run, subject: Subject, plan: Plan, tick: Tick) -> Run | None:
    """Load a server that listens, and judge what became of it."""
    try:
        if not offers(subject.address, SERVICE[plan.workload], FIRST):
            return run_.failed("not offered", f"it does not offer {SERVICE[plan.workload]}")
    except (KitError, OSError) as error:
        why = _why(error)
        outcome = "crashed" if subject.ended(within=DYING) else "hung"
        return _with_output(run_.failed(outcome, f"the first client: {why}"), subject)
    before = kernel.sample(subject.keeper)
    watch = _Watch(subject.keeper, plan.seconds, tick)
    try:
        finished = _idle(run_, subject, plan) if plan.workload == "idle" else _loaded(run_, plan, watch)
    except LoadError as error:
        return run_.failed("generator failed", str(error))
    return finished and _with_output(_judge(finished, subject, before, watch), subject)


def _why(error: KitError | OSError) -> str:
    """Say why the first client was not answered: a client's own words end in an advice for another command."""
    if isinstance(error, ConnectError) and isinstance(error.__cause__, TimeoutError):
        return f"no HELLO within {FIRST:g} s: a server must greet as labs/PROTOCOL.md says"
    return str(error) if isinstance(error, KitError) else reason(error)


def _plan(subject: Subject, cell: Cell, site: Site, pace: Pace) -> Plan:
    return Plan(
        subject.address, cell.workload, connections=cell.connections, seconds=pace.seconds, warm_up=pace.warm_up,
        rate=cell.rate, processes=min(len(site.generators), cell.connections), timeout=pace.timeout,
        payload=OCTETS if cell.workload == "octets" else 64, milliseconds=MILLISECONDS.get(cell.workload),
        slow_clients=SLOW_CLIENTS, cpus=frozenset(site.generators),
    )  # fmt: skip


def _loaded(run_: Run, plan: Plan, watch: "_Watch") -> Run | None:
    result = run(plan, watch)
    if result.interrupted:
        return None
    run_.load = result.as_dict()
    run_.server = watch.counted(result)
    run_.requests, run_.errors = result.requests, dict(result.errors)
    # Without an error every client was answered, if only after the measured time: slow is not hung.
    run_.served = sum(count > 0 for count in result.per_connection) if result.errors else result.connected
    return run_


def _idle(run_: Run, subject: Subject, plan: Plan) -> Run:
    with holding(replace(plan, connections=plan.processes)) as first:
        few = kernel.memory(subject.keeper)
    with holding(plan) as held:
        full = kernel.memory(subject.keeper)
        counted = kernel.sample(subject.keeper)
    run_.server = Server(tasks=counted.tasks, processes=counted.processes)
    run_.served, run_.errors = held.connected, {kinds.NO_HELLO: held.failed} if held.failed else {}
    if few is not None and full is not None:
        run_.memory = Memory(few, first.connected, full, held.connected)
    return run_


@dataclass(slots=True)
class _Watch:
    """Counts twice while the generator measures; called by it now and then."""

    keeper: int
    seconds: float
    tick: Tick
    first: Sample | None = None
    last: Sample | None = None
    weight: int | None = None
    """Bytes of memory at the first count."""

    def __call__(self, what: str, done: float) -> None:
        self.tick()
        if what == "measuring" and self.first is None:
            self.first = kernel.sample(self.keeper)
            self.weight = kernel.memory(self.keeper) if self.first.processes <= WEIGHED else None
        elif self.first and self.last is None and (what != "measuring" or (1 - done) * self.seconds < LAST):
            self.last = kernel.sample(self.keeper)

    def counted(self, result: Result) -> Server | None:
        """Give what the server has used: None when the load was over too soon to count twice."""
        if self.first is None or self.last is None or self.last.time <= self.first.time:
            return None
        seconds, used = self.last.time - self.first.time, self.last.cpu_since(self.first)
        switched = self.last.switched_since(self.first)
        rate = result.requests_per_second
        return Server(
            tasks=self.last.tasks,
            processes=self.last.processes,
            seconds=seconds,
            cpu_seconds=used,
            cpu_share=used / seconds if used is not None else None,
            cpu_per_request=used / seconds / rate if rate and used is not None else None,
            switches_per_request=switched / seconds / rate if switched is not None and rate else None,
            uncounted=self.first.uncounted or self.last.uncounted,
        )


def _judge(run_: Run, subject: Subject, before: Sample, watch: _Watch) -> Run:
    """Find the word for what happened."""
    faults = ", ".join(f"{count} {kind}" for kind, count in sorted(run_.errors.items()))
    if ended := subject.ended(within=DYING if run_.errors.keys() & _ENDS else 0.0):
        return run_.failed("crashed", f"it ended {ended} under load: {faults}".removesuffix(": "))
    if run_.errors.keys() & {kinds.WRONG, kinds.EARLY, kinds.BAD_HELLO}:
        return run_.failed("wrong answers", faults)
    if not run_.served:
        return run_.failed("refused" if run_.errors.keys() & _REFUSALS else "hung", faults or "nothing was answered")
    if leaked := _leaked(subject, before, run_.cell.connections) or _grown(watch, run_.requests):
        return run_.failed("leaked", leaked)
    if run_.errors:
        return run_.failed("partly", f"{run_.served} of {run_.cell.connections} clients were served: {faults}")
    return run_


def _leaked(subject: Subject, before: Sample, connections: int) -> str | None:
    """Say what a server still holds for clients that have gone; None when it has let go."""
    now = resting = kernel.sample(subject.keeper)
    end = now.time + PATIENCE
    while found := _held(now, before, max(SLACK, connections // 2)):
        if now.switches != resting.switches or now.zombies != resting.zombies:
            resting = now
        if now.time - resting.time > REST or now.time > end:
            return f"all clients had gone, it had nothing left to do, and still held {found}"
        time.sleep(REST / 50)
        now = kernel.sample(subject.keeper)
    return None


def _grown(watch: _Watch, requests: int) -> str | None:
    """Say by how much a server has grown since the load was on in full, although its clients have gone."""
    if watch.weight is None or not requests:
        return None
    more = (kernel.memory(watch.keeper) or 0) - watch.weight
    if more < max(GROWTH, GROWTH_EACH * requests):
        return None
    grown = f"its memory had grown by {amount(more, 'bytes')} since: {more // requests} bytes for each request"
    return f"all clients of a steady load had gone, and {grown}"


def _held(now: Sample, before: Sample, slack: int) -> str:
    more = {
        "descriptors": (now.descriptors or 0) - (before.descriptors or 0),
        "tasks": now.tasks - before.tasks,
        "zombies": now.zombies - before.zombies,
    }
    return ", ".join(f"{count} more {what}" for what, count in more.items() if count > slack)


def _with_output(run_: Run, subject: Subject) -> Run:
    if run_.outcome != "measured":
        run_.output = subject.output()
    return run_

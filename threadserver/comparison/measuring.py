"""One run: one contestant, one cell, one round, in a server started for this run.

A failure is a result like any other (`outcome`), with its own word and the server's last output. The kernel's counts
are taken twice within the measured time, so that starting, warming up and closing do not count.
"""

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, replace
from time import monotonic

from threadserver.clients.load import SERVICE, LoadError, Plan, Result, holding, run
from threadserver.clients.load.coordinator import PROGRESS_INTERVAL
from threadserver.comparison import counters, outcome
from threadserver.comparison.cells import MILLISECONDS, OCTETS, SLOW_CLIENTS, Cell
from threadserver.comparison.contestants import Contestant
from threadserver.comparison.counters import Sample
from threadserver.comparison.results import Memory, Run, Server
from threadserver.comparison.running_contestant import NotStartedError, Site, Subject, offers, serving
from threadserver.core.errors import KitError

MOST_WEIGHED = 64
"""With more processes than this, reading their memory under load takes too long."""
SECOND_COUNT = 1.2 * PROGRESS_INTERVAL
"""Seconds before the end of the measured time at which the kernel's counts are taken for the second time."""
FIRST_CLIENT_LIMIT = 15.0
"""Seconds that the first client waits for its answer: a slow server is not a hung one."""
PATIENCE = 2
"""Clients wait for their last answers at least this many times as long as the first client, which was alone."""

Tick = Callable[[], None]


@dataclass(frozen=True, slots=True)
class Pace:
    """The phases of each run, in seconds."""

    seconds: float
    warm_up: float
    timeout: float


def measure(contestant: Contestant, cell: Cell, number: int, site: Site, pace: Pace, tick: Tick) -> Run | None:
    """Do one run; return None if Ctrl-C interrupts it. Whatever a server does raises no error."""
    run_ = Run(contestant.name, cell, number)
    if contestant.broken:
        run_.output = contestant.broken.output
        return run_.failed("not built", str(contestant.broken))
    service = SERVICE[cell.workload]
    cores = site.all_cores if cell.workload == "spin" else site.servers
    try:
        with serving(contestant, service, cores, site.interpreter) as subject:
            return _examine(run_, subject, _plan(subject, cell, site, pace), tick)
    except NotStartedError as error:
        run_.output = error.output
        return run_.failed("not started", str(error))


def _examine(run_: Run, subject: Subject, plan: Plan, tick: Tick) -> Run | None:
    """Load a server that listens, and find the outcome."""
    begun = monotonic()
    try:
        if not offers(subject.address, SERVICE[plan.workload], FIRST_CLIENT_LIMIT):
            return run_.failed("not offered", f"it does not offer {SERVICE[plan.workload]}")
    except (KitError, OSError) as error:
        return _with_output(outcome.of_first_client(run_, subject, error, FIRST_CLIENT_LIMIT), subject)
    plan = replace(plan, timeout=max(plan.timeout, min(PATIENCE * (monotonic() - begun), FIRST_CLIENT_LIMIT)))
    before, weights = counters.sample(subject.keeper), counters.memory_by_process(subject.keeper)
    watch = _Watch(subject.keeper, plan.seconds, tick)
    try:
        finished = _idle(run_, subject, plan) if plan.workload == "idle" else _loaded(run_, plan, watch)
    except LoadError as error:
        return run_.failed("generator failed", str(error))
    if finished is None:
        return None
    return _with_output(outcome.of_load(finished, subject, plan, before, (weights, watch.weights)), subject)


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
    run_.requests, run_.errors = result.requests, dict(Counter(result.errors) + Counter(result.warm_up_errors))
    # Without errors every client had an answer, even if after the measured time: slow is not hung.
    run_.served = sum(count > 0 for count in result.per_connection) if run_.errors else result.connected
    return run_


def _idle(run_: Run, subject: Subject, plan: Plan) -> Run:
    with holding(replace(plan, connections=plan.processes)) as first:
        few = counters.memory(subject.keeper)
    with holding(plan) as held:
        full = counters.memory(subject.keeper)
        counted = counters.sample(subject.keeper)
        run_.errors = held.release()
    run_.server = Server(tasks=counted.tasks, processes=counted.processes)
    run_.served = plan.connections - sum(run_.errors.values())
    if few is not None and full is not None and run_.served:
        run_.memory = Memory(few, first.connected, full, run_.served)
    return run_


@dataclass(slots=True)
class _Watch:
    """Takes the counts twice while the generator measures; the generator calls it from time to time."""

    keeper: int
    seconds: float
    tick: Tick
    first: Sample | None = None
    last: Sample | None = None
    weights: dict[int, int] | None = None
    """Memory of each process at the first count, in bytes."""

    def __call__(self, what: str, done: float) -> None:
        self.tick()
        if what == "measuring" and self.first is None:
            self.first = counters.sample(self.keeper)
            self.weights = counters.memory_by_process(self.keeper) if self.first.processes <= MOST_WEIGHED else None
        elif self.first and self.last is None and (what != "measuring" or (1 - done) * self.seconds < SECOND_COUNT):
            self.last = counters.sample(self.keeper)

    def counted(self, result: Result) -> Server | None:
        """Return what the server used; None if the load ended too soon for two counts."""
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


def _with_output(run_: Run, subject: Subject) -> Run:
    if run_.outcome != "measured":
        run_.output = subject.output()
    return run_

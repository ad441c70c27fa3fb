"""Run a plan: start generating processes, let them begin together, and merge their results."""

import json
import socket
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, replace
from time import perf_counter_ns
from typing import Any

from threadserver.clients.load.generator_process import GeneratorProcess, LoadError
from threadserver.clients.load.latency import Latency
from threadserver.clients.load.load_loop import Times
from threadserver.clients.load.plan import Plan
from threadserver.clients.load.process_plan import STOP, ProcessPlan
from threadserver.clients.load.result import Result, Share, Slow
from threadserver.core.address import Address

__all__ = ["Held", "LoadError", "Progress", "holding", "run"]

Progress = Callable[[str, float], None]
"""Called from time to time with the current phase ("connecting", "measuring", …) and its progress from 0 to 1."""

START_DELAY = 0.02
"""Seconds between the message and the start, so that all processes have read it in time."""
PROGRESS_INTERVAL = 0.1
"""Seconds between two calls of `Progress`."""
PROBE_TIMEOUT = 1.0
"""Seconds in which one of several addresses of a name must accept a connection."""


@dataclass(frozen=True)
class Held:
    """Connections that are held open."""

    connected: int
    """Number of connections that were made, greeted, and answered once."""
    release: Callable[[], dict[str, int]]
    """Close the connections; return how many failed or were lost while they were held, by kind."""


def run(plan: Plan, progress: Progress | None = None) -> Result:
    """Load a server, and return the result. Blocks for the plan's seconds and a little more.

    A server that refuses, resets, hangs or answers wrongly is a result, not an error. Ctrl-C ends the run early: the
    result then holds everything up to that point, with ``interrupted`` set. Raises LoadError when the generator itself
    cannot work: it has too few descriptors, the host does not exist, or no process can start.
    """
    with _Generators(plan, progress or _ignore) as generators:
        interrupted = False
        try:
            generators.connect()
            generators.go()
        except KeyboardInterrupt:
            interrupted = True
        return generators.result(interrupted=interrupted)


@contextmanager
def holding(plan: Plan, progress: Progress | None = None) -> Iterator[Held]:
    """Make all connections of a plan and hold them, idle, until the block ends.

    Each has had one request of the workload answered, so that the server has allocated everything it needs for a
    client. Raises LoadError as `run` does.
    """
    with _Generators(plan, progress or _ignore, role="hold") as generators:
        generators.connect()
        yield Held(generators.ready, generators.release)


def _ignore(what: str, part: float) -> None:
    pass


class _Generators:
    """The generating processes that share a plan."""

    def __init__(self, plan: Plan, progress: Progress, role: str = "load") -> None:
        self.plan = replace(plan, address=_reachable(plan.address))
        self.progress = progress
        self.role = role
        self.ready = self.slow_ready = 0
        self.slow: GeneratorProcess | None = None
        self.processes: list[GeneratorProcess] = []
        self._stack = ExitStack()

    def __enter__(self) -> "_Generators":
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()

    def connect(self) -> None:
        """Start the processes, and wait until each has made its connections."""
        plan = self.plan
        if plan.workload == "slow" and self.role == "load":
            self.slow = self._start(ProcessPlan(plan.as_dict(), plan.slow_clients, "slow"))
            self.slow_ready = int(self.slow.receive()["ready"])
        for share in _shares(plan, self.role):
            self.processes.append(self._start(share))
        self.progress("connecting", 0.0)
        for number, process in enumerate(self.processes, 1):
            self.ready += int(process.receive()["ready"])
            self.progress("connecting", number / len(self.processes))

    def go(self) -> None:
        """Start the load, and wait until it is over."""
        plan = self.plan
        start = perf_counter_ns() + int(START_DELAY * 1e9)
        begin = start + int(plan.warm_up * 1e9)
        end = begin + int(plan.seconds * 1e9)
        times = Times(start, begin, end, end + int(plan.timeout * 1e9))
        for process in self.processes:
            process.send(json.dumps(times))
        for process in self.processes:
            while not process.has_output(PROGRESS_INTERVAL):
                self.progress(*_phase(times, perf_counter_ns()))

    def release(self) -> dict[str, int]:
        """Close connections that are only held; return the errors by kind."""
        for process in self.processes:
            process.send(STOP)
        return _sum([process.report() for process in self.processes], "errors")

    def result(self, *, interrupted: bool) -> Result:
        """End the load, and merge the reports."""
        slow = self._slow() if self.slow else None
        if interrupted:
            for process in self.processes:
                process.send(STOP)
        reports = [process.report() for process in self.processes]
        lateness = [_latency(report["lateness"]) for report in reports if report["lateness"] is not None]
        answered = [count for report in reports for count in report["answered"]]
        return Result(
            plan=self.plan,
            seconds=max((report["nanoseconds"] / 1e9 for report in reports), default=0.0),
            requests=sum(answered),
            latency=Latency.merged(_latency(report["latencies"]) for report in reports),
            per_connection=answered,
            errors=_sum(reports, "errors"),
            warm_up_errors=_sum(reports, "warm_up_errors"),
            connected=self.ready,
            due=sum(report["due"] for report in reports) if self.plan.rate else None,
            unanswered=sum(report["unanswered"] for report in reports) if self.plan.rate else None,
            kept=sum(report["kept"] for report in reports),
            connect_failures=self.plan.connections - self.ready,
            shares=[_share(report) for report in reports],
            lateness=Latency.merged(lateness) if lateness else None,
            slow=slow,
            interrupted=interrupted,
        )

    def _slow(self) -> Slow | None:
        if self.slow is None:
            return None
        self.slow.send(STOP)
        report = self.slow.report()
        latency = _latency(report["latencies"])
        return Slow(self.plan.slow_clients, self.slow_ready, latency.count, latency, report["errors"])

    def _start(self, share: ProcessPlan) -> "GeneratorProcess":
        return self._stack.enter_context(GeneratorProcess(share))


def _shares(plan: Plan, role: str) -> Iterator[ProcessPlan]:
    """Divide a plan among processes, each with at least one connection."""
    count = min(plan.processes, plan.connections)
    cpus = sorted(plan.cpus or ())
    for number in range(count):
        connections = plan.connections // count + (number < plan.connections % count)
        yield ProcessPlan(
            {**plan.as_dict(), "seed": plan.seed + number},
            connections,
            role,
            part=connections / plan.connections,
            offset=number / count,
            cpu=cpus[number % len(cpus)] if cpus else None,
        )


def _phase(times: Times, now: int) -> tuple[str, float]:
    """Return the current phase and its progress."""
    for what, since, until in (
        ("warming up", times.start, times.begin),
        ("measuring", times.begin, times.end),
        ("waiting for the last answers", times.end, times.give_up),
    ):
        if now < until:
            return what, max(0.0, (now - since) / (until - since))
    return what, 1.0


def _reachable(address: Address | str) -> Address:
    """Choose one of the addresses of a name: the first that accepts a connection, else the first."""
    address = Address.parse(str(address))
    endpoints = address.resolve()
    if len(endpoints) == 1:
        return address
    for endpoint in endpoints:
        with socket.socket(*endpoint[:3]) as probe, suppress(OSError):
            probe.settimeout(PROBE_TIMEOUT)
            probe.connect(endpoint.sockaddr)
            return Address.of(endpoint.family, endpoint.sockaddr)
    return Address.of(endpoints[0].family, endpoints[0].sockaddr)


def _sum(reports: Iterable[dict[str, Any]], what: str) -> dict[str, int]:
    return dict(sum((Counter(report[what]) for report in reports), Counter[str]()))


def _latency(counts: Iterable[tuple[int, int]]) -> Latency:
    return Latency.of(dict(counts))


def _share(report: dict[str, Any]) -> Share:
    nanoseconds = report["nanoseconds"] or 1
    return Share(report["cpu"] / 1e9, report["cpu"] / nanoseconds, report["waited"] / nanoseconds)

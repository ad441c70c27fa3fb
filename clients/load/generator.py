"""A generating process: ``python -m threadserver.clients.load.generator``, which `coordinator` starts.

It is a fresh interpreter, so that nothing of the program that measures, its threads, its memory or its garbage
collector, is in the way. It is told what to do on standard input and answers on standard output, a line of JSON each::

    parent>  {"plan": …, "connections": 5, …}                  a ProcessPlan
    process> {"ready": 5}                                      it has connected
    parent>  [start, begin, end, give up]                      the Times
    process> {"errors": …, "latencies": …, "answered": …}      its report

Anything more on standard input, or its end, stops it: nobody is left loading a server when the parent has died.
"""

import gc
import json
import os
import resource
import signal
from contextlib import suppress
from pathlib import Path
from sys import maxsize
from typing import Any

from threadserver.clients.load.buckets import Buckets
from threadserver.clients.load.churn import Churn
from threadserver.clients.load.closed_loop import ClosedLoop
from threadserver.clients.load.connections import StoppedError
from threadserver.clients.load.idle import Idle
from threadserver.clients.load.load_loop import Loop, Times
from threadserver.clients.load.open_loop import OpenLoop
from threadserver.clients.load.plan import Plan
from threadserver.clients.load.process_plan import SPARE, STOP, ProcessPlan
from threadserver.clients.load.slow_clients import SlowClients
from threadserver.clients.load.workloads import CONNECTION_PER_REQUEST
from threadserver.core.address import Address
from threadserver.core.errors import KitError, reason

CONTROL = 0  # standard input


def main() -> None:
    """Do what standard input says."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the parent says when it is over
    with suppress(BrokenPipeError):
        try:
            share = ProcessPlan(**json.loads(_read_line()))
            _settle(share)
            _work(share, Plan(**share.plan))
        except KitError as error:
            _say(error=str(error))


def _settle(share: ProcessPlan) -> None:
    """Take a core, descriptors, and timers that ring when they should."""
    if share.cpu is not None:
        try:
            os.sched_setaffinity(0, {share.cpu})
        except OSError as error:
            allowed = ", ".join(map(str, sorted(os.sched_getaffinity(0))))
            raise KitError(f"cannot pin to core {share.cpu}: {reason(error)}; allowed are {allowed}") from error
    _raise_descriptors(share.connections + SPARE)
    with suppress(OSError):  # else select() may sleep 50 microseconds longer than it was told to: prctl(2)
        Path("/proc/self/timerslack_ns").write_text("1")


def _raise_descriptors(needed: int) -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft >= needed:
        return
    try:
        resource.setrlimit(resource.RLIMIT_NOFILE, (needed, max(hard, needed)))
    except (ValueError, OSError) as error:  # only root may raise the hard limit
        raise KitError(
            f"{needed - SPARE} connections in one process need {needed} descriptors, and {hard} are allowed "
            "(ulimit -Hn): use fewer connections or more processes"
        ) from error


def _work(share: ProcessPlan, plan: Plan) -> None:
    if share.role == "slow":
        _run_slow_clients(share, plan)
        return
    loop = _loop(share, plan)
    with suppress(StoppedError):
        loop.connect(share.connections)
        ready = len(loop.open) - len(loop.unready)
        _say(ready=share.connections if isinstance(loop, Churn) else ready)
        _follow(share, loop)
    _say(**_report(share, loop))


def _loop(share: ProcessPlan, plan: Plan) -> Loop:
    endpoint = Address.parse(str(plan.address)).resolve()[0]
    if share.role == "hold" or plan.workload == "idle":
        return Idle(plan, endpoint, CONTROL)
    if plan.workload in CONNECTION_PER_REQUEST:
        return Churn(plan, endpoint, CONTROL, clients=share.connections)
    if plan.rate:
        return OpenLoop(plan, endpoint, CONTROL, interval=1e9 / (plan.rate * share.part), offset=share.offset)
    return ClosedLoop(plan, endpoint, CONTROL)


def _follow(share: ProcessPlan, loop: Loop) -> None:
    """Do what is done with connections that have been made."""
    gc.collect()
    gc.freeze()
    gc.disable()  # nothing that the loop makes is a cycle, and a collection would be a stall of our own
    if share.role == "hold":
        loop.drive(maxsize)
    elif (said := _read_line()) != STOP:
        loop.run(Times(*json.loads(said)))


def _report(share: ProcessPlan, loop: Loop) -> dict[str, Any]:
    meter: dict[str, Any] = {"nanoseconds": 0, "cpu": 0, "waited": 0, "answered": []}
    if loop.meter:
        meter = loop.meter.as_dict()
    meter["answered"] += [0] * (share.connections - len(meter["answered"]))
    lateness = _counts(loop.lateness) if loop.lateness else None
    errors = {"errors": +loop.errors, "warm_up_errors": loop.warm_up_errors}
    latencies = _counts(loop.latencies) if loop.meter else []
    counts = {"kept": loop.kept, "due": loop.due_in_time, "unanswered": loop.unanswered}
    return {**errors, **counts, "latencies": latencies, "lateness": lateness, **meter}


def _run_slow_clients(share: ProcessPlan, plan: Plan) -> None:
    slow_clients = SlowClients(plan, share.connections)
    _say(ready=slow_clients.connected)
    _read_line()
    slow_clients.stop()
    _say(errors=slow_clients.errors, latencies=_counts(slow_clients.latencies))


def _counts(buckets: Buckets) -> list[tuple[int, int]]:
    buckets.fold()
    return list(buckets.counts.items())


def _read_line() -> str:
    """Read a message; the end of input says the same as `STOP`. Not a byte more: what follows is for the loop."""
    line = b""
    while not line.endswith(b"\n"):
        if not (byte := os.read(CONTROL, 1)):
            return STOP
        line += byte
    return line.decode().removesuffix("\n")


def _say(**message: Any) -> None:  # noqa: ANN401
    print(json.dumps(message), flush=True)


if __name__ == "__main__":
    main()

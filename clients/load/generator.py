"""A generating process: ``python -m threadserver.clients.load.generator``, which `coordinator` starts.

It is a fresh interpreter, so that the threads, the memory and the garbage collector of the measuring program do not
disturb it. It reads messages on standard input and answers on standard output, each a line of JSON::

    parent>  {"plan": …, "connections": 5, …}                  a ProcessPlan
    process> {"ready": 5}                                      its connections are made
    parent>  [start, begin, end, give up]                      the Times
    process> {"errors": …, "latencies": …, "answered": …}      its report

Any further input, or the end of input, stops it: the load ends when the parent dies.
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
    """Follow the messages on standard input."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the parent decides when to stop
    with suppress(BrokenPipeError):
        try:
            share = ProcessPlan(**json.loads(_read_line()))
            _settle(share)
            _work(share, Plan(**share.plan))
        except KitError as error:
            _say(error=str(error))


def _settle(share: ProcessPlan) -> None:
    """Pin this process to its core, raise its limit of descriptors, and make its timers exact."""
    if share.cpu is not None:
        try:
            os.sched_setaffinity(0, {share.cpu})
        except OSError as error:
            allowed = ", ".join(map(str, sorted(os.sched_getaffinity(0))))
            raise KitError(f"cannot pin to core {share.cpu}: {reason(error)}; allowed: {allowed}") from error
    _raise_descriptors(share.connections + SPARE)
    with suppress(OSError):  # else select() may sleep 50 microseconds too long: prctl(2)
        Path("/proc/self/timerslack_ns").write_text("1")


def _raise_descriptors(needed: int) -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft >= needed:
        return
    try:
        resource.setrlimit(resource.RLIMIT_NOFILE, (needed, max(hard, needed)))
    except (ValueError, OSError) as error:  # only root may raise the hard limit
        raise KitError(
            f"{needed - SPARE} connections in one process need {needed} descriptors, but the limit is {hard} "
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
    """Load the server over the connections that have been made."""
    gc.collect()
    gc.freeze()
    gc.disable()  # the loop creates no cycles, and a collection would stall the generator itself
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
    """Read one message and no byte more: the rest is for the loop. The end of input means `STOP`."""
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

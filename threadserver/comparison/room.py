"""Room for a crowd: descriptors and tasks for the wished connections, raised where allowed, else said before."""

import os
import resource
from contextlib import suppress
from pathlib import Path

from threadserver.comparison.machine import limits
from threadserver.errors import KitError
from threadserver.inspection.processes import everyone, tasks

SPARE = 100
"""Descriptors that a program needs beside its connections."""


def make_room(connections: int) -> list[str]:
    """See to it that so many connections can be opened; give warnings of what some models will lack.

    Raises KitError when not even the load generator could open them.
    """
    _allow_descriptors(connections + SPARE)
    _allow_tasks()
    left = _tasks_left()
    if left is not None and left < connections + SPARE:
        why = "kernel.threads-max, kernel.pid_max, ulimit -u, pids.max"
        said = f"{connections} connections, and room for {left} more tasks ({why}): "
        return [said + "a model with a thread or process for each connection will refuse some"]
    return []


def _allow_descriptors(wished: int) -> None:
    """Raise the limit for this process and all that it starts: the hard one, too, where we may (root)."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft == resource.RLIM_INFINITY or soft >= wished:
        return
    allowed = hard if hard == resource.RLIM_INFINITY else max(hard, wished)
    with suppress(OSError, ValueError):
        resource.setrlimit(resource.RLIMIT_NOFILE, (min(wished, allowed) if allowed > 0 else wished, allowed))
        return
    raise KitError(
        f"{wished - SPARE} connections need {wished} descriptors in each program, and only {hard} are allowed "
        f"(ulimit -Hn): ask for fewer --connections, at most {max(hard - SPARE, 0)}, or have the limit raised"
    )


def _allow_tasks() -> None:
    """Raise our limit of tasks as far as anybody may: to the hard one."""
    hard = resource.getrlimit(resource.RLIMIT_NPROC)[1]
    with suppress(OSError, ValueError):
        resource.setrlimit(resource.RLIMIT_NPROC, (hard, hard))


def _tasks_left() -> int | None:
    """How many tasks can still be had, as far as that can be known."""
    known = limits()
    bounds = [known["tasks_of_machine"], known["process_ids"], _of_group()]
    if os.geteuid() != 0:
        bounds.append(known["tasks_of_user"])
    least = min((bound for bound in bounds if bound is not None), default=None)
    return None if least is None else least - sum(len(tasks(pid)) for pid in everyone())


def _of_group() -> int | None:
    """Give the bound of our control group, version 2: pids.max, cgroups(7)."""
    with suppress(OSError, ValueError, StopIteration):
        lines = Path("/proc/self/cgroup").read_text().splitlines()
        group = next(line[3:] for line in lines if line.startswith("0::"))
        return int(Path(f"/sys/fs/cgroup{group}/pids.max").read_text())
    return None

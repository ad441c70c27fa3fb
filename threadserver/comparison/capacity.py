"""Limits for many connections: raise those on descriptors and tasks if allowed, otherwise warn in advance."""

import os
import resource
from contextlib import suppress
from pathlib import Path

from threadserver.comparison.machine import limits
from threadserver.core.errors import KitError
from threadserver.kernel.processes import everyone, tasks

SPARE = 40
"""Descriptors that a program needs in addition to its connections."""
OWN_TASKS = 5
"""Tasks in addition to one per connection: the generator, the keeper, the server's first ones."""


def make_room(connections: int) -> list[str]:
    """Raise the limits for ``connections`` at once; return warnings about models that will not have enough tasks.

    Raises KitError when not even the load generator could open the connections.
    """
    _allow_descriptors(connections + SPARE)
    _allow_tasks()
    left = _tasks_left()
    if left is not None and left < connections + OWN_TASKS:
        why = "kernel.threads-max, kernel.pid_max, ulimit -u, pids.max"
        said = f"{connections} connections, but only {left} more tasks are allowed ({why}): "
        return [said + "a model with a thread or process for each connection will refuse some"]
    return []


def _allow_descriptors(wished: int) -> None:
    """Raise the limit for this process and its children; the hard limit too, if allowed (root)."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft == resource.RLIM_INFINITY or soft >= wished:
        return
    allowed = hard if hard == resource.RLIM_INFINITY else max(hard, wished)
    with suppress(OSError, ValueError):
        resource.setrlimit(resource.RLIMIT_NOFILE, (min(wished, allowed) if allowed > 0 else wished, allowed))
        return
    fewer = f"use at most --connections {hard - SPARE}, or " if hard > SPARE else ""
    raise KitError(
        f"{wished - SPARE} connections need {wished} descriptors in each program, but the limit is {hard} "
        f"(ulimit -Hn): {fewer}raise the limit"
    )


def _allow_tasks() -> None:
    """Raise our soft limit on tasks to the hard limit, which every user may do."""
    hard = resource.getrlimit(resource.RLIMIT_NPROC)[1]
    with suppress(OSError, ValueError):
        resource.setrlimit(resource.RLIMIT_NPROC, (hard, hard))


def _tasks_left() -> int | None:
    """Return how many more tasks can start, or None if that is unknown."""
    known, running = limits(), everyone()
    all_tasks = sum(len(tasks(pid)) for pid in running)
    left = [bound - all_tasks for bound in (known["tasks_of_machine"], known["process_ids"]) if bound is not None]
    if os.geteuid() != 0 and known["tasks_of_user"] is not None:
        left.append(known["tasks_of_user"] - sum(len(tasks(pid)) for pid in running if _is_ours(pid)))
    left += _left_in_group()
    return max(min(left), 0) if left else None


def _is_ours(pid: int) -> bool:
    """Tell whether a process counts towards our user's limit of tasks, RLIMIT_NPROC."""
    with suppress(OSError):
        return Path(f"/proc/{pid}").stat().st_uid == os.getuid()
    return False


def _left_in_group() -> list[int]:
    """Return what our control group (version 2) has left: pids.max minus pids.current, cgroups(7). Empty: no limit."""
    with suppress(OSError, ValueError, StopIteration):
        lines = Path("/proc/self/cgroup").read_text().splitlines()
        group = Path(f"/sys/fs/cgroup{next(line[3:] for line in lines if line.startswith('0::'))}")
        return [int((group / "pids.max").read_text()) - int((group / "pids.current").read_text())]
    return []

"""Find a living thread of a process whose main thread has ended.

``pthread_exit()`` in ``main()`` ends only the main thread: the process lives until its last thread has ended
(pthread_exit(3)). Until then /proc/PID shows the main thread: a zombie, without descriptors, memory and owner. What the
process holds is then read from /proc/TID of a living thread.
"""

import os
from pathlib import Path

ENDED = frozenset("ZX")
"""States of a task that will never run again: zombie, dead (proc(5))."""


def living_task(pid: int) -> tuple[int, str] | None:
    """Return a living thread of a process, and its state; None when there is none."""
    for tid in _threads(pid):
        state, _ = _state(f"/proc/{pid}/task/{tid}/stat")
        if state and state not in ENDED:
            return tid, state
    return None


def holder(pid: int) -> int:
    """Return the id under which /proc shows what a process holds: its own, or that of a living thread."""
    state, threads = _state(f"/proc/{pid}/stat")
    if state in ENDED and threads > 1 and (found := living_task(pid)):
        return found[0]
    return pid


def _state(path: str) -> tuple[str, int]:
    """Read a task's state, and the number of its process's threads; an empty state when it has ended."""
    try:
        fields = Path(path).read_bytes().rpartition(b")")[2].split()
    except OSError:
        return "", 0
    return fields[0].decode(), int(fields[17])


def _threads(pid: int) -> list[int]:
    try:
        return sorted(map(int, os.listdir(f"/proc/{pid}/task")))  # noqa: PTH208
    except OSError:
        return []

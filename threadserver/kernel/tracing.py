"""Trace briefly with strace(1), if it is installed and allowed, which tasks read and which tasks send.

Tracing is the one thing here that a server can notice: a task to which strace attaches comes out of its call and goes
back into it, and epoll_wait(2) may then return EINTR (signal(7)). So it is the last resort, for a server with few
tasks, when nothing else tells a helper from a worker. strace detaches from all tasks when it ends.
"""

import os
import re
import select
import shutil
import signal
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from threading import Thread

from threadserver.kernel import traced
from threadserver.kernel.eyes import tracer
from threadserver.kernel.processes import everyone, tasks
from threadserver.kernel.task import TaskId

MOST_TRACED = 200  # tasks
_ATTACHED = re.compile(rb"Process (\d+) attached")


@dataclass
class Trace:
    """What tracing has shown."""

    ready: bool = False
    senders: set[TaskId] | None = None
    """The tasks that sent; if nothing was sent, those that read."""
    sent_on: dict[int, set[TaskId]] = field(default_factory=dict)
    """The tasks that sent on each socket, by inode."""
    sent: bool = False
    """True when anything was sent."""
    handed: set[TaskId] = field(default_factory=set)
    """The tasks that handed a connection (back) to an epoll set."""
    born: bool = False
    """True when the server created a task."""
    woken: int = 0
    """On how many connections the sender slept after it had read, until another task of the server woke it."""
    problem: str = ""


class _Reader(Thread):
    """Reads strace's output until its end: a strace that cannot write would hold up the tasks that it traces."""

    def __init__(self, strace: "subprocess.Popen[bytes]") -> None:
        super().__init__(daemon=True)
        self._strace = strace
        self._output = b""

    def run(self) -> None:
        assert self._strace.stderr is not None  # noqa: S101
        self._output = self._strace.stderr.read()

    def rest(self, seconds: float = 2.0) -> bytes:
        """Return the rest of the output once strace has ended; kill strace if it does not end in time."""
        if not self.ident:  # interrupted before there was anything to read
            self.start()
        self.join(seconds)
        self._strace.kill()  # then the kernel detaches it from the tasks
        self.join()
        return self._output


@contextmanager
def senders(
    pids: list[int], inodes: set[int], seconds: float, channels: frozenset[int] = frozenset()
) -> Iterator[Trace]:
    """Trace, during the block, which tasks read and send on these sockets.

    ``seconds`` limits the time to attach. ``channels`` are the sockets (by inode) through which the server's tasks may
    wake each other.
    """
    trace = Trace()
    owner = {tid: pid for pid in pids for tid in tasks(pid)}
    trace.problem = _hindrance(owner, seconds)
    if trace.problem:
        yield trace
        return
    command = ["strace", "-f", "-y", "-s", "0", "-e", "signal=none", "-e", f"trace={traced.CALLS}"]
    command += [word for pid in pids for word in ("-p", str(pid))]
    with subprocess.Popen(
        command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, **tracer(pids)
    ) as strace:
        output, reader = None, _Reader(strace)
        try:
            output = _await_attached(strace, set(pids), max(seconds - 1.0, 0.5))
            reader.start()
            trace.ready = output is not None
            yield trace
        finally:
            strace.send_signal(signal.SIGINT)
            rest = reader.rest()
    if output is None:
        reason = rest.decode("utf-8", "replace").strip().partition("\n")[0]
        trace.problem = f"strace could not attach: {reason or 'it took too long'}"
        return
    seen = traced.read(output + rest, pids[0], inodes, channels)
    trace.sent, trace.born, trace.woken = bool(seen.sent), seen.born, len(seen.woken)

    def named(tids: set[int]) -> set[TaskId]:
        return {(owner.get(tid) or _process_of(tid), tid) for tid in tids}

    trace.senders, trace.handed = named(seen.sent or seen.read), named(seen.handed)
    trace.sent_on = {inode: named(tids) for inode, tids in seen.sent_on.items()}


def _hindrance(owner: dict[int, int], seconds: float) -> str:
    if shutil.which("strace") is None:
        return "strace is not installed (apt install strace)"
    if len(owner) > MOST_TRACED:
        return f"{len(owner)} tasks are too many to trace without disturbing the server"
    if seconds < 0.5:
        return "no time was left; try a longer --timeout"
    return ""


def _await_attached(strace: "subprocess.Popen[bytes]", pids: set[int], seconds: float) -> bytes | None:
    """Read until strace has attached to all processes; None when it ends or takes too long."""
    assert strace.stderr is not None  # noqa: S101
    output = b""
    deadline = time.monotonic() + seconds
    while pids - {int(pid) for pid in _ATTACHED.findall(output)}:
        readable, _, _ = select.select([strace.stderr], [], [], max(deadline - time.monotonic(), 0))
        data = os.read(strace.stderr.fileno(), 65_536) if readable else b""
        if not data:
            return None
        output += data
    return output


def _process_of(tid: int) -> int:
    """Return the process of a thread that was made after the trace began."""
    return next((pid for pid in everyone() if tid in tasks(pid)), tid)

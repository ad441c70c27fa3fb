"""Who reads, and who sends? Watched for a moment with strace(1), where that is installed and allowed.

Tracing is the one thing here that the server could notice: a task that is attached to comes out of its call and
goes back into it, and epoll_wait(2) may return EINTR then (signal(7)). So it is the last resort, for a server of few
tasks, when nothing else can tell a helper from a worker. strace lets go of all tasks when it ends.
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
    """What was traced."""

    ready: bool = False
    senders: set[TaskId] | None = None
    """Who sent; where nothing was sent, who read."""
    sent_on: dict[int, set[TaskId]] = field(default_factory=dict)
    """Who sent on each socket, by inode."""
    sent: bool = False
    """True when anything was sent."""
    handed: set[TaskId] = field(default_factory=set)
    """Who handed a connection (back) to an epoll set."""
    born: bool = False
    """True when the server made a task."""
    woken: int = 0
    """For so many connections the sender slept after it had read, until another task of the server woke it."""
    problem: str = ""


class _Reader(Thread):
    """Reads what strace says for as long as it speaks: a strace that cannot write holds up those whom it traces."""

    def __init__(self, strace: "subprocess.Popen[bytes]") -> None:
        super().__init__(daemon=True)
        self._strace = strace
        self._output = b""

    def run(self) -> None:
        assert self._strace.stderr is not None  # noqa: S101
        self._output = self._strace.stderr.read()

    def rest(self, seconds: float = 2.0) -> bytes:
        """Give all of it, once strace has ended; it is killed when it does not."""
        if not self.ident:  # interrupted before there was anything to read
            self.start()
        self.join(seconds)
        self._strace.kill()  # the kernel lets go of the tasks then
        self.join()
        return self._output


@contextmanager
def senders(
    pids: list[int], inodes: set[int], seconds: float, channels: frozenset[int] = frozenset()
) -> Iterator[Trace]:
    """Trace for the length of the block who reads and sends on these sockets; nothing is traced afterwards.

    ``channels`` are the sockets (by inode) by which the server's tasks may wake each other.
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
        trace.problem = f"strace could not attach: {rest.decode('utf-8', 'replace').strip().splitlines()[:1]}"
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
        return "no time was left (--time-limit gives more)"
    return ""


def _await_attached(strace: "subprocess.Popen[bytes]", pids: set[int], seconds: float) -> bytes | None:
    """Read until strace has attached to all; None when it ends or takes too long."""
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
    """Find the process of a thread that came after the trace began."""
    return next((pid for pid in everyone() if tid in tasks(pid)), tid)

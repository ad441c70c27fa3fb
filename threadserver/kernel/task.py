"""A task: a thread as the kernel counts it, with the call that it is blocked in."""

from dataclasses import dataclass

from threadserver.kernel.calls import RUNNING, Call
from threadserver.kernel.syscalls import ACCEPT, READINESS

TaskId = tuple[int, int]
"""Process and thread, by the kernel's numbers."""


@dataclass(frozen=True, slots=True)
class Task:
    """A thread of the server, and the sockets (by inode) that its blocked call waits for."""

    pid: int
    tid: int
    call: Call
    sockets: frozenset[int]

    @property
    def id(self) -> TaskId:
        """Process and thread."""
        return self.pid, self.tid

    @property
    def accepts(self) -> bool:
        """True when it is blocked in accept()."""
        return self.call.name in ACCEPT

    @property
    def watches(self) -> bool:
        """True when it waits for readiness: poll, select or epoll, of however many."""
        return self.call.name in READINESS

    @property
    def running(self) -> bool:
        """True when it computes, or waits for nothing but a processor."""
        return self.call is RUNNING

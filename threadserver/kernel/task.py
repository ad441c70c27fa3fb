"""A task: a thread as the kernel counts it, with the call that it is blocked in."""

from dataclasses import dataclass

from threadserver.kernel.calls import RUNNING, Call
from threadserver.kernel.syscalls import ACCEPT, READINESS

TaskId = tuple[int, int]
"""Process id and thread id."""


@dataclass(frozen=True, slots=True)
class Task:
    """A thread, the call that it is blocked in, and the sockets (by inode) that this call waits for."""

    pid: int
    tid: int
    call: Call
    sockets: frozenset[int]
    not_to_read: frozenset[int] = frozenset()
    """The sockets among them that the call does not wait to read from."""

    @property
    def id(self) -> TaskId:
        """Process id and thread id."""
        return self.pid, self.tid

    @property
    def accepts(self) -> bool:
        """True when it is blocked in accept()."""
        return self.call.name in ACCEPT

    @property
    def watches(self) -> bool:
        """True when it waits for readiness, in poll, select or epoll, of any number of descriptors."""
        return self.call.name in READINESS

    @property
    def running(self) -> bool:
        """True when it computes, or only waits for a processor."""
        return self.call is RUNNING

"""Every system call that a server's tasks make for a while, in order: which tasks read, send, accept, or otherwise run.

The order is that of the kernel's stops: a task that has stopped before or after a call does nothing until the stop has
been recorded here. So what is recorded between two lines happened between them::

    71 leaves recvfrom, 5 bytes of socket 812     the request
    71 enters futex                               it sleeps
    72 leaves futex                               another task computes
    72 enters futex
    71 leaves futex
    71 leaves sendto, 5 bytes to socket 812       the answer

What is not seen: io_uring (the kernel reads and sends by itself), and calls of another architecture. That they are used
is seen, and `blind` says so.

Tasks can be *held*: each sleeps on in its call, and when it is woken, it goes no further. Until then it looks asleep to
every other task, so none can tell beforehand that it is held.
"""

import errno
import os
import signal
import stat
import struct
import time
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator
from collections.abc import Set as AbstractSet
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from threading import Event as Flag
from threading import Thread, current_thread, main_thread

from threadserver.kernel import ptrace
from threadserver.kernel.calls import MSG_PEEK, read_file, read_memory
from threadserver.kernel.eyes import as_owner
from threadserver.kernel.processes import status, switches, waits_in_vfork
from threadserver.kernel.syscalls import ACCEPT, BIRTH, NAMES, READINESS, RECEIVE, SEND, WAIT
from threadserver.kernel.task import TaskId

ATTACH_SECONDS = 10.0
_BRIEFLY = 0.001  # seconds
_STOP = 1  # times that a task goes to sleep because it is stopped behind a call
_OPTIONS = ptrace.SYSGOOD | ptrace.FORK | ptrace.VFORK | ptrace.CLONE
_WAKE = signal.SIGRTMIN + 3  # of no meaning: it makes the thread that waits for tasks look up
_STOPS = {signal.SIGSTOP, signal.SIGTSTP, signal.SIGTTIN, signal.SIGTTOU}
_FLAGS = {"recvfrom": 3, "recvmsg": 2, "recvmmsg": 3}
_TARGET = {"splice": 2}  # the argument that a call sends to, if that is not the first
_SOURCE = dict.fromkeys(RECEIVE | {"splice"}, 0) | {"sendfile": 1}  # the argument that it reads from
_MESSAGE = 64  # bytes of a struct mmsghdr; its last word is how many bytes were transferred
_BLOCK = struct.Struct("QIIHhIQQ")  # struct iocb, as far as needed: io_submit(2)
_BLOCK_READS, _BLOCK_WRITES = {0, 7}, {1, 8}
RINGS = "it uses io_uring, with which the kernel itself reads and sends"
FOREIGN = "it makes system calls of another architecture"


@dataclass(frozen=True, slots=True)
class Step:
    """A task before a call (``result`` is None) or after it. When a task is created or ends, there is no call."""

    tid: int
    call: str
    result: int | None = None
    slept: bool = False
    """True when the task slept in the call. This is looked at only while other tasks are held."""


@dataclass(frozen=True, slots=True)
class Moved:
    """Bytes that a task took from a socket or put into it."""

    step: int
    """Its place in the order: after the call that read, but before the call that sent, which delivers at once."""
    tid: int
    inode: int
    count: int = 0


@dataclass
class CallTrace:
    """What was traced. Sockets are identified by inode, tasks by id; `owner` maps a task to its process."""

    problem: str = ""
    """Why nothing could be traced."""
    blind: str = ""
    """Why reads and sends may have been missed."""
    steps: list[Step] = field(default_factory=list)
    sent: list[Moved] = field(default_factory=list)
    read: list[Moved] = field(default_factory=list)
    accepted: dict[int, int] = field(default_factory=dict)
    """The task that accepted each connection."""
    in_vain: dict[int, int] = field(default_factory=lambda: defaultdict(int))
    """How often each task tried to read from a socket, or to accept, in vain."""
    timed_out: dict[int, int] = field(default_factory=lambda: defaultdict(int))
    """How often each task returned from a call that waits for readiness although nothing was ready."""
    born: dict[int, int] = field(default_factory=dict)
    """The step at which each new task was made."""
    owner: dict[int, int] = field(default_factory=dict)
    holding: bool = False
    """True when each task that is held slept in a call. A running task may hold a lock that others need."""

    def senders(self, inode: int) -> frozenset[TaskId]:
        """Return the tasks that sent something on a connection."""
        return frozenset(self.id_of(one.tid) for one in self.sent if one.inode == inode)

    def sent_bytes(self, inode: int) -> int:
        """Count the bytes that were seen to be sent on a connection."""
        return sum(one.count for one in self.sent if one.inode == inode)

    def readers(self, inode: int) -> frozenset[TaskId]:
        """Return the tasks that read something from a connection; a task that only peeks reads nothing."""
        return frozenset(self.id_of(one.tid) for one in self.read if one.inode == inode)

    def made_for(self, inode: int, part: slice) -> frozenset[TaskId]:
        """Return the tasks that were made, in these steps, between a read from a connection and the answer."""
        begin, end = self._first_answer(inode, part)
        return frozenset(self.id_of(tid) for tid, step in self.born.items() if begin <= step < end)

    def waiting_when_sent(self, inode: int, part: slice) -> frozenset[TaskId]:
        """Return the tasks that were inside a call in which tasks wait when the answer was sent."""
        _, end = self._first_answer(inode, part)
        last = {step.tid: step for step in self.steps[:end]}
        return frozenset(self.id_of(tid) for tid, step in last.items() if step.result is None and step.call in WAIT)

    def _first_answer(self, inode: int, part: slice) -> tuple[int, int]:
        """Find, in these steps, those from the first read from a connection to the first answer."""
        reads = [one.step for one in self.read if one.inode == inode and part.start <= one.step < part.stop]
        sends = [one.step for one in self.sent if one.inode == inode and reads and one.step > reads[0]]
        return (reads[0] + 1, sends[0]) if sends else (0, 0)

    def waited(self, inode: int) -> bool:
        """Tell whether the task that answered had slept, after its last read, in a call that waits for others.

        It may have waited for a task that it has made, which is never one of those held: then this is False.
        """
        begin, end, sender = self._last_answer(inode)
        if any(begin <= step < end for step in self.born.values()):
            return False
        return any(step.tid == sender and step.slept and step.call in WAIT for step in self.steps[begin:end])

    def _last_answer(self, inode: int) -> tuple[int, int, int]:
        """Find the steps from the last read from a connection to the answer, and the task that sent it."""
        ends = [one for one in self.sent if one.inode == inode]
        begins = [one for one in self.read if one.inode == inode and ends and one.step < ends[-1].step]
        return (begins[-1].step + 1, ends[-1].step, ends[-1].tid) if begins else (0, 0, 0)

    def id_of(self, tid: int) -> TaskId:
        """Return a task's full id, with its process."""
        return self.owner.get(tid, tid), tid


class _Tracer(Thread):
    def __init__(self, tasks: Callable[[], Iterable[TaskId]], trace: CallTrace, held: AbstractSet[int]) -> None:
        super().__init__(name="traces", daemon=True)
        self.attached, self.over = Flag(), False
        self._tasks, self._trace, self._held = tasks, trace, held
        self._starting: set[int] = set()
        self._entries: dict[int, tuple[ptrace.Entry, int]] = {}
        self._switches: dict[int, int] = {}
        self._parents: set[int] = set()
        """Tasks that have just made another one, and were seen to."""

    def run(self) -> None:
        """Trace until it is over; the end of this thread releases any task that is still traced."""
        try:
            with as_owner(next((pid for pid, _ in self._tasks()), 0)):
                self._trace_all()
        except PermissionError as error:
            self._trace.problem = f"the server may not be traced here: {error.strerror}"
        except ChildProcessError:
            pass  # all of them have ended
        finally:
            self.attached.set()

    def delivering(self) -> bool:
        """Tell whether a task runs in a call that sends: its bytes may have arrived already."""
        sending = [tid for tid, (entry, _) in list(self._entries.items()) if NAMES.get(entry.number) in SEND]
        return any(_state(tid) not in {"S", "Z", "X", ""} for tid in sending)

    def _trace_all(self) -> None:
        self._seize_all()
        while not self.over:
            if not self._starting:
                self.attached.set()
            stopped = ptrace.wait()
            if stopped:
                with suppress(ProcessLookupError):  # killed in the meantime
                    self._stopped(*stopped)

    def _seize_all(self) -> None:
        """Seize every task there is. A seized task's children are seized with it, so that it comes to an end."""
        self._trace.holding = True
        while new := [task for task in self._tasks() if task[1] not in self._trace.owner]:
            for pid, tid in new:
                self._trace.owner[tid] = pid
                if _is_ring(tid):
                    self._trace.blind = RINGS
                    continue
                if waits_in_vfork(tid):  # it cannot be stopped, and does nothing
                    continue
                if _seized(tid, _OPTIONS):
                    self._starting.add(tid)

    def _made_in_secret(self, parent: int) -> None:
        """Note a task that was made so that no tracer is told (CLONE_UNTRACED, clone(2)); seize it if it lives."""
        step = self._note(Step(parent, "makes a task"))
        new = [task for task in self._tasks() if task[1] not in self._trace.owner]
        for pid, tid in new or [(-step, -step)]:  # a number that no task has: it has ended already
            with suppress(PermissionError):  # seized with its parent, a moment ago
                self._trace.owner[tid] = pid
                self._trace.born[tid] = step
                if tid > 0 and _seized(tid, _OPTIONS):
                    self._starting.add(tid)

    def _stopped(self, tid: int, status: int) -> None:
        if not os.WIFSTOPPED(status):
            self._starting.discard(tid)
            self._note(Step(tid, "ends", 0))
            return
        number, event = os.WSTOPSIG(status), status >> 16
        if number == signal.SIGTRAP | 0x80:
            returned = self._called(tid)
            if returned and tid in self._held:
                return  # it stays where it is, until this thread ends
            number = 0
        elif event in ptrace.BIRTHS:
            child = ptrace.newborn(tid)
            self._parents.add(tid)
            self._trace.born[child] = len(self._trace.steps)
            self._trace.owner[child] = _process_of(child)
            self._note(Step(tid, "makes a task"))
            number = 0
        elif event == ptrace.EVENT_STOP:
            if number in _STOPS:
                ptrace.listen(tid)
                return
            if tid in self._starting:
                slept = ptrace.begin_again(tid)
                self._trace.holding &= slept or tid not in self._held
                self._starting.discard(tid)
            number = 0
        elif event:
            number = 0
        ptrace.go_on(tid, number)

    def _note(self, step: Step) -> int:
        self._trace.steps.append(step)
        return len(self._trace.steps) - 1

    def _called(self, tid: int) -> bool:
        """Note a call; tell whether it has returned."""
        call = ptrace.call_of(tid)
        if isinstance(call, ptrace.Entry):
            name = NAMES.get(call.number, "")
            if call.number < 0:
                self._trace.blind = FOREIGN
            elif name.startswith("io_uring"):
                self._trace.blind = RINGS
            self._entries[tid] = call, self._note(Step(tid, name))
            if self._held:
                self._switches[tid] = _switches(tid)
        elif isinstance(call, ptrace.Exit):
            entry, begun = self._entries.pop(tid, (None, 0))
            name = NAMES.get(entry.number, "") if entry else ""
            slept = tid in self._switches and _switches(tid) - self._switches.pop(tid) > _STOP
            self._note(Step(tid, name, call.result, slept))
            if entry:
                self._returned(tid, name, entry.arguments, begun)
            return True
        return False

    def _returned(self, tid: int, name: str, arguments: tuple[int, ...], begun: int) -> None:
        result = self._trace.steps[-1].result or 0
        if name in BIRTH and result > 0:
            if tid not in self._parents:
                self._made_in_secret(tid)
            self._parents.discard(tid)
        elif name in READINESS:
            self._trace.timed_out[tid] += result == 0
        elif name in ACCEPT:
            if result >= 0:
                self._trace.accepted[_inode(tid, result)] = tid
            self._trace.in_vain[tid] += result == -errno.EAGAIN
        elif name == "io_submit":
            for inode, kind, size in _submitted(tid, arguments, result):
                moved = self._trace.sent if kind in _BLOCK_WRITES else self._trace.read
                moved.append(Moved(begun, tid, inode, size))
        elif name in SEND | RECEIVE:
            self._transferred(tid, name, arguments, begun, result)

    def _transferred(self, tid: int, name: str, arguments: tuple[int, ...], begun: int, result: int) -> None:
        """Note the bytes that a call has moved. A call that only peeks, or that failed, has moved none."""
        if name in _FLAGS and arguments[_FLAGS[name]] & MSG_PEEK:
            return
        if name.endswith("mmsg"):
            result = _bytes_of(tid, arguments[1], result)
        if name in _SOURCE:
            self._trace.in_vain[tid] += result == -errno.EAGAIN
        if result > 0 and name in SEND:
            self._move(self._trace.sent, begun, tid, arguments[_TARGET.get(name, 0)], result)
        if result > 0 and name in _SOURCE:
            self._move(self._trace.read, len(self._trace.steps) - 1, tid, arguments[_SOURCE[name]], result)

    def _move(self, into: list[Moved], step: int, tid: int, descriptor: int, count: int) -> None:
        inode = _inode(tid, descriptor & 0xFFFFFFFF)
        if inode:
            into.append(Moved(step, tid, inode, count))


@contextmanager
def every_call(tasks: Callable[[], Iterable[TaskId]], held: AbstractSet[int] = frozenset()) -> Iterator[CallTrace]:
    """Trace all these tasks, and the tasks that they make, for the length of the block.

    ``tasks`` is called until it returns none that is new. Those ``held``, by number, do nothing until the block ends.
    Check `problem` first, and `holding`: if nothing may be traced, the block runs anyway.
    """
    trace = CallTrace()
    if current_thread() is not main_thread():
        trace.problem = "only the main thread can trace"
        yield trace
        return
    before = signal.signal(_WAKE, lambda *_: None)
    tracer = _Tracer(tasks, trace, held)
    tracer.start()
    try:
        if not tracer.attached.wait(ATTACH_SECONDS):
            trace.problem = f"not every task stopped for the trace within {ATTACH_SECONDS:g} s"
        yield trace
    finally:
        while tracer.is_alive() and tracer.delivering():
            time.sleep(_BRIEFLY)
        tracer.over = True
        while tracer.is_alive():
            with suppress(ProcessLookupError):
                signal.pthread_kill(tracer.ident or 0, _WAKE)
            tracer.join(0.005)
        _await_end(tracer)
        signal.signal(_WAKE, before)


def _await_end(thread: Thread) -> None:
    """Wait until the kernel has released what a thread had seized, a moment after the Python thread has ended."""
    thread.join()
    while os.path.exists(f"/proc/self/task/{thread.native_id}"):  # noqa: PTH110
        time.sleep(_BRIEFLY / 10)


def _seized(tid: int, options: int = 0) -> bool:
    """Seize a task and ask it to stop; return False when it has ended. Raises PermissionError if that is forbidden."""
    try:
        ptrace.seize(tid, options)
        ptrace.interrupt(tid)
    except ProcessLookupError:
        return False
    except PermissionError:
        if _state(tid) not in {"Z", "X", ""}:
            raise
        return False
    return True


def _state(tid: int) -> str:
    with suppress(OSError):
        return status(tid).state
    return ""


def _switches(tid: int) -> int:
    with suppress(OSError):
        return switches(tid, tid)
    return 0


def _is_ring(tid: int) -> bool:
    """Tell whether a task was made by the kernel for an io_uring of the process; such a task cannot be traced."""
    with suppress(OSError):
        return status(tid).ring
    return False


def _process_of(tid: int) -> int:
    with suppress(OSError, StopIteration):
        text = read_file(f"/proc/{tid}/status")
        return int(next(line for line in text.splitlines() if line.startswith(b"Tgid:")).split()[1])
    return tid


def _inode(tid: int, descriptor: int) -> int:
    """Return the inode of a socket; 0 for any other file."""
    with suppress(OSError):
        found = os.stat(f"/proc/{tid}/fd/{descriptor}")  # noqa: PTH116
        return found.st_ino if stat.S_ISSOCK(found.st_mode) else 0
    return 0


def _bytes_of(tid: int, messages: int, count: int) -> int:
    """Add up the bytes of the messages that sendmmsg() or recvmmsg() moved; return an error code unchanged."""
    if count <= 0:
        return count
    memory = read_memory(tid, messages, _MESSAGE * count) or b""
    return sum(struct.unpack_from("I", memory, start + 56)[0] for start in range(0, len(memory), _MESSAGE))


def _submitted(tid: int, arguments: tuple[int, ...], count: int) -> Iterator[tuple[int, int, int]]:
    """Yield the socket, the operation and the number of bytes of each request in an io_submit()."""
    array = read_memory(tid, arguments[2], 8 * max(count, 0)) or b""
    for (address,) in struct.iter_unpack("Q", array):
        block = read_memory(tid, address, _BLOCK.size)
        if block:
            _, _, _, kind, _, descriptor, _, size = _BLOCK.unpack(block)
            inode = _inode(tid, descriptor)
            if inode and kind in _BLOCK_READS | _BLOCK_WRITES:
                yield inode, kind, size

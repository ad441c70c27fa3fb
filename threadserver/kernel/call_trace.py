"""Every system call that a server's tasks make for a while, in order: which tasks read, send, accept, or otherwise run.

The order is that of the kernel's stops: a task that has stopped before or after a call does nothing until the stop has
been recorded here. So what is recorded between two lines happened between them::

    71 leaves recvfrom, 5 bytes of socket 812     the request
    71 enters futex                               it sleeps
    72 leaves futex                               another task computes
    72 enters futex
    71 leaves futex
    71 leaves sendto, 5 bytes to socket 812       the answer

Two things are not seen: io_uring (the kernel itself reads and sends), and calls of another architecture. The trace does
see that they are used, and `blind` says so.
"""

import errno
import os
import signal
import stat
import struct
import time
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from threading import Event as Flag
from threading import Thread, current_thread, main_thread

from threadserver.kernel import ptrace
from threadserver.kernel.calls import MSG_PEEK, read_file, read_memory
from threadserver.kernel.eyes import as_owner
from threadserver.kernel.processes import status
from threadserver.kernel.syscalls import ACCEPT, LOCK, NAMES, READINESS, RECEIVE, SEND
from threadserver.kernel.task import TaskId

ATTACH_SECONDS = 10.0
_BRIEFLY = 0.001  # seconds
_WAKE = signal.SIGRTMIN + 3  # interrupts the thread that waits for tasks
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

    def senders(self, inode: int) -> frozenset[TaskId]:
        """Return the tasks that sent something on a connection."""
        return frozenset(self.id_of(one.tid) for one in self.sent if one.inode == inode)

    def sent_bytes(self, inode: int) -> int:
        """Count the bytes that were seen to be sent on a connection."""
        return sum(one.count for one in self.sent if one.inode == inode)

    def readers(self, inode: int) -> frozenset[TaskId]:
        """Return the tasks that read something from a connection; a task that only peeks reads nothing."""
        return frozenset(self.id_of(one.tid) for one in self.read if one.inode == inode)

    def between(self, inode: int) -> frozenset[TaskId]:
        """Return the tasks that returned from a call between the last read from a connection and the answer.

        The task that answered is left out.
        """
        begin, end, sender = self._last_answer(inode)
        others = {step.tid for step in self.steps[begin:end] if step.result is not None} - {sender}
        return frozenset(map(self.id_of, others))

    def made_for(self, inode: int) -> frozenset[TaskId]:
        """Return the tasks that were made between the last read from a connection and the answer."""
        begin, end, _ = self._last_answer(inode)
        return frozenset(self.id_of(tid) for tid, step in self.born.items() if begin <= step < end)

    def gave_up(self) -> bool:
        """Tell whether a task, between a read and a send, waited in vain for another one, until a time-out."""
        for sent in self.sent:
            begins = [one.step for one in self.read if one.tid == sent.tid and one.step < sent.step]
            window = self.steps[begins[-1] : sent.step] if begins else ()
            if any(step.tid == sent.tid and _timed_out(step) for step in window):
                return True
        return False

    def _last_answer(self, inode: int) -> tuple[int, int, int]:
        """Find the steps from the last read from a connection to the answer, and the task that sent it."""
        ends = [one for one in self.sent if one.inode == inode]
        begins = [one for one in self.read if one.inode == inode and ends and one.step < ends[-1].step]
        return (begins[-1].step + 1, ends[-1].step, ends[-1].tid) if begins else (0, 0, 0)

    def id_of(self, tid: int) -> TaskId:
        """Return a task's full id, with its process."""
        return self.owner.get(tid, tid), tid


class _Tracer(Thread):
    def __init__(self, tasks: Callable[[], Iterable[TaskId]], trace: CallTrace) -> None:
        super().__init__(name="traces", daemon=True)
        self.attached, self.over = Flag(), False
        self._tasks, self._trace = tasks, trace
        self._starting: set[int] = set()
        self._entries: dict[int, tuple[ptrace.Entry, int]] = {}

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
        """Seize all tasks. The children of a seized task are seized with it, so the search ends."""
        options = ptrace.SYSGOOD | ptrace.FORK | ptrace.VFORK | ptrace.CLONE
        while new := [task for task in self._tasks() if task[1] not in self._trace.owner]:
            for pid, tid in new:
                self._trace.owner[tid] = pid
                if _is_ring(tid):
                    self._trace.blind = RINGS
                    continue
                if _seized(tid, options):
                    self._starting.add(tid)

    def _stopped(self, tid: int, status: int) -> None:
        if not os.WIFSTOPPED(status):
            self._starting.discard(tid)
            self._note(Step(tid, "ends", 0))
            return
        number, event = os.WSTOPSIG(status), status >> 16
        if number == signal.SIGTRAP | 0x80:
            self._called(tid)
            number = 0
        elif event in ptrace.BIRTHS:
            child = ptrace.newborn(tid)
            self._trace.born[child] = len(self._trace.steps)
            self._trace.owner[child] = _process_of(child)
            self._note(Step(tid, "makes a task"))
            number = 0
        elif event == ptrace.EVENT_STOP:
            if number in _STOPS:
                ptrace.listen(tid)
                return
            if tid in self._starting:
                ptrace.begin_again(tid)
                self._starting.discard(tid)
            number = 0
        elif event:
            number = 0
        ptrace.go_on(tid, number)

    def _note(self, step: Step) -> int:
        self._trace.steps.append(step)
        return len(self._trace.steps) - 1

    def _called(self, tid: int) -> None:
        call = ptrace.call_of(tid)
        if isinstance(call, ptrace.Entry):
            name = NAMES.get(call.number, "")
            if call.number < 0:
                self._trace.blind = FOREIGN
            elif name.startswith("io_uring"):
                self._trace.blind = RINGS
            self._entries[tid] = call, self._note(Step(tid, name))
        elif isinstance(call, ptrace.Exit):
            entry, begun = self._entries.pop(tid, (None, 0))
            name = NAMES.get(entry.number, "") if entry else ""
            self._note(Step(tid, name, call.result))
            if entry:
                self._returned(tid, name, entry.arguments, begun)

    def _returned(self, tid: int, name: str, arguments: tuple[int, ...], begun: int) -> None:
        result = self._trace.steps[-1].result or 0
        if name in READINESS:
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
def every_call(tasks: Callable[[], Iterable[TaskId]]) -> Iterator[CallTrace]:
    """Trace all these tasks, and the tasks that they make, during the block. ``tasks`` is called until none is new.

    Check `problem` first: if nothing may be traced, the block runs anyway.
    """
    trace = CallTrace()
    if current_thread() is not main_thread():
        trace.problem = "only the main thread can trace"
        yield trace
        return
    before = signal.signal(_WAKE, lambda *_: None)
    tracer = _Tracer(tasks, trace)
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


@dataclass
class Held:
    """Tasks that are held still. ``asleep`` is true when each was stopped while asleep in a call.

    A task that was running may hold a lock that others need, so stopping it proves nothing.
    """

    asleep: bool = False
    problem: str = ""


class _Holder(Thread):
    def __init__(self, tids: Iterable[int], held: Held) -> None:
        super().__init__(name="holds", daemon=True)
        self.done, self.release = Flag(), Flag()
        self._tids, self._held = list(tids), held

    def run(self) -> None:
        try:
            with as_owner(self._tids[0] if self._tids else 0):
                stopped = [tid for tid in self._tids if _seized(tid)]
                slept = [self._slept(tid) for tid in stopped]  # each of them is waited for
            self._held.asleep = all(slept)
        except (PermissionError, ChildProcessError) as error:
            self._held.problem = f"tasks of the server may not be held here: {error.strerror}"
        finally:
            self.done.set()
        self.release.wait()

    def _slept(self, tid: int) -> bool:
        while not (found := ptrace.wait(tid)):
            pass
        with suppress(ProcessLookupError):
            return not os.WIFSTOPPED(found[1]) or ptrace.begin_again(tid)
        return True


@contextmanager
def held_still(tids: Iterable[int]) -> Iterator[Held]:
    """Hold tasks still during the block: they do nothing, and then go on as if nothing had happened."""
    held = Held()
    holder = _Holder([tid for tid in tids if not _is_ring(tid)], held)
    holder.start()
    holder.done.wait()
    try:
        yield held
    finally:
        holder.release.set()
        _await_end(holder)


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


def _timed_out(step: Step) -> bool:
    return step.call in LOCK and step.result == -errno.ETIMEDOUT  # poll() also returns 0 if it was told not to wait


def _state(tid: int) -> str:
    with suppress(OSError):
        return status(tid).state
    return ""


def _is_ring(tid: int) -> bool:
    """Tell whether a task was made by the kernel for an io_uring of the process; such a task cannot be traced."""
    with suppress(OSError):
        return read_file(f"/proc/{tid}/comm").startswith(b"iou-")
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

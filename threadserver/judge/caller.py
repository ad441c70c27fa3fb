"""The submission of a client lab: started with pipes, given lines, and checked for what it printed and how it ended.

Threads of the judge serve its pipes, so that a client never waits for the judge: neither when it prints more than a
pipe holds, nor when it reads its input late.
"""

import time
from collections.abc import Callable
from contextlib import AbstractContextManager, ExitStack
from queue import SimpleQueue
from threading import Thread
from typing import BinaryIO

from threadserver.core.address import Address
from threadserver.judge.outcomes import WrongError
from threadserver.judge.patience import Patience
from threadserver.judge.peer import PATIENCE
from threadserver.judge.stillness import PAUSE, Stillness
from threadserver.judge.transcript import Transcript
from threadserver.kernel.syscalls import LOCK, RECEIVE, SEND
from threadserver.kernel.task import Task
from threadserver.submission.client_program import Process
from threadserver.submission.limits import MIB
from threadserver.submission.server_program import how

AT_REST = 15
"""Looks in a row that must show the same before the client counts as waiting for the end of its input."""
MOST_PRINTED = 16 * MIB
"""Bytes kept of each standard stream; the judge stops waiting for a client that prints more."""
SHORT_LIMIT = 2000  # milliseconds: a client with a time-out up to this must learn that servers may be slower
STANDARD = {0: "standard input", 1: "standard output", 2: "standard error"}

Start = Callable[[Address], AbstractContextManager[Process]]


class Caller:
    """A client on trial. A check starts it, once or several times one after another."""

    def __init__(self, start: Start, transcript: Transcript, patience: Patience) -> None:
        self.transcript = transcript
        self.patience = patience
        self._start = start
        self._run = ExitStack()
        self._process: Process | None = None

    def start(self, address: Address) -> None:
        """Start it, with nothing on its standard input yet, after stopping an earlier run."""
        self.stop()
        self.transcript.note("client", f"is started: HOST {address.host}, PORT {address.port}")
        process = self._process = self._run.enter_context(self._start(address))
        self._printed, self._complained = bytearray(), bytearray()
        self._input_ended = self._end_noted = False
        self._noted: dict[str, int] = {}
        self._input: SimpleQueue[bytes | None] = SimpleQueue()
        self._drains = [_drain(process.stdout, self._printed), _drain(process.stderr, self._complained)]
        Thread(target=_feed, args=(process.stdin, self._input), daemon=True).start()

    def stop(self) -> None:
        """Stop it, with all its processes."""
        if self._process is not None:
            self._input.put(None)
        self._run.close()
        self._process = None

    # What goes in, and what came out.

    def write(self, *lines: bytes) -> None:
        """Write lines, given without their LF, to its standard input."""
        for line in lines:
            self.transcript.sent("stdin", line + b"\n")
            self._input.put(line + b"\n")

    def end_input(self) -> bool:
        """End its standard input. Return whether it was still open."""
        if self._input_ended:
            return False
        self._input_ended = True
        self.transcript.note("stdin", "ends")
        self._input.put(None)
        return True

    @property
    def ended(self) -> int | None:
        """Its exit code; None while it runs."""
        return self.process.ended()

    @property
    def floods(self) -> bool:
        """True when it has printed more than is kept."""
        return MOST_PRINTED in (len(self._printed), len(self._complained))

    @property
    def process(self) -> Process:
        """The client's process; it exists only after `start`."""
        assert self._process is not None  # noqa: S101
        return self._process

    def expect_exit(self, awaiting: str) -> int:
        """Wait until it has ended. Return its exit code; ``awaiting`` says in the past tense what it has been given."""
        waiting = Waiting(self, lambda: "it has not ended", awaiting)
        while (code := self.process.wait(PAUSE)) is None:
            waiting.look(moved=False)
        self._note_end(code)
        return code

    def expect_success(self, printed: bytes, awaiting: str) -> None:
        """Expect that it exits with code 0 and has printed exactly this."""
        code = self.expect_exit(awaiting)
        self.expect_printed(printed, awaiting)
        if code != 0:
            raise self.wrong(f"Your client {awaiting}, so it had to end with exit code 0; it ended {how(code)}")

    def expect_printed(self, printed: bytes, awaiting: str) -> None:
        """Expect that it has printed exactly this on standard output, now that it has ended."""
        if (got := bytes(self._printed)) != printed:
            self.transcript.mark("stdout", got, printed)
            raise self.wrong(f"Your client {awaiting}; its standard output is not what the server answered")

    def expect_complaint(self, awaiting: str) -> None:
        """Expect exit code 1 and one line on standard error."""
        code = self.expect_exit(awaiting)
        if code != 1:
            raise self.wrong(f"Your client {awaiting}, so it had to end with exit code 1; it ended {how(code)}")
        lines = bytes(self._complained).strip().splitlines()
        if len(lines) != 1:
            said = f"{len(lines)} lines" if lines else "nothing"
            raise self.wrong(
                f"Your client {awaiting}; it had to say so in 1 line on standard error, but printed {said}"
            )

    # What the kernel shows.

    def members(self) -> list[int]:
        """Return all its processes."""
        return list(self.process.members())

    def wrong(self, message: str) -> WrongError:
        """Return the error that fails a check, with what the kernel shows. The client's output is in the transcript."""
        self.settle()
        if not any(one.alive for one in self.process.members().values()):
            self.process.wait(PATIENCE)  # all its processes have ended: its exit code is on its way
        if (code := self.ended) is not None:
            self._note_end(code)
        self._note_said()
        return WrongError(message, self.situation())

    def situation(self) -> str:
        """Return what each of its tasks waits for, in words."""
        if self._process is None or self.ended is not None:
            return ""
        return "\n".join(f"a task of your client {_doing(task)}" for task in self.process.look().tasks.values())

    def suspicion(self) -> str:
        """Return the likely bug, from the call in which it is blocked; an empty string if that suggests none."""
        tasks = self.process.look().tasks.values() if self.ended is None else ()
        calls = {task.call.name for task in tasks if not set(task.call.descriptors or ()) & set(STANDARD)}
        if calls & SEND:
            return ". It is blocked in send() and does not read, so both sides wait with full buffers"
        return ". It waits for bytes from the server" if calls & RECEIVE else ""

    def stillness(self) -> Stillness:
        """Begin to watch whether it stands still."""
        return Stillness(self.members, self.patience)

    def settle(self) -> None:
        """Wait until it has worked on everything that it was sent."""
        self.stillness().settle()

    def outwait(self) -> None:
        """Wait until it has come to rest; if its own wait has a short time limit, until that has run out."""
        self.settle()
        if not any(0 < _limit(task) <= SHORT_LIMIT for task in self.process.look().tasks.values()):
            return
        stillness, deadline = self.stillness(), time.monotonic() + PATIENCE
        stillness.look()
        while stillness.look() and time.monotonic() < deadline:
            self.process.wait(PAUSE)
        self.settle()

    def _note_end(self, code: int) -> None:
        """Note once that it has ended, after reading its pipes to their end."""
        for drain in self._drains:
            drain.join(PATIENCE)
        self._note_said()
        if not self._end_noted:
            self.transcript.note("client", f"ends {how(code)}")
            self._end_noted = True

    def _note_said(self) -> None:
        """Note its output since the last call."""
        for name, said in (("stdout", self._printed), ("stderr", self._complained)):
            if new := bytes(said[self._noted.get(name, 0) :]):
                self.transcript.received(name, new)
            self._noted[name] = len(said)


class Waiting:
    """A wait for a client that ends when the client has ended or come to rest, or when the patience has run out.

    ``awaiting`` says in the past tense what the client had to do, ``came`` what it has done so far. A client that comes
    to rest before its input has ended may be waiting for that end: many read all their input first.
    """

    def __init__(self, caller: Caller, came: Callable[[], str], awaiting: str) -> None:
        self._caller = caller
        self._came = came
        self._awaiting = f"Your client {awaiting}"
        self._stillness = caller.stillness()
        self._patience = caller.patience
        self._had_ended = False
        self._next = self._deadline = 0.0
        self._begin(time.monotonic())

    def look(self, *, moved: bool) -> None:
        """Go on waiting, or raise WrongError. ``moved``: bytes have come or gone, so the patience starts over."""
        caller, now = self._caller, time.monotonic()
        if moved:
            self._begin(now)
        elif (code := caller.ended) is not None:
            if self._had_ended:
                raise caller.wrong(f"{self._awaiting}; it has ended {how(code)}")
            self._had_ended = True  # its last bytes may still be found
        elif caller.floods:
            raise caller.wrong(f"{self._awaiting}; it prints without end, {MOST_PRINTED // MIB} MiB so far")
        elif now >= self._next and caller.members():  # none: it is still starting
            self._next = now + PAUSE
            still = self._stillness.look()
            if self._stillness.rests or self._patience.restless:
                self._patience.waited += PAUSE
            in_vain = self._stillness.in_vain or now > self._deadline
            if (still >= AT_REST or in_vain) and caller.end_input():
                self._begin(now)
            elif in_vain:
                raise caller.wrong(f"{self._awaiting}; {self._came()}{caller.suspicion()}")

    def _begin(self, now: float) -> None:
        self._stillness.begin_again()
        self._next, self._deadline = now + PAUSE, now + PATIENCE / self._patience.divisor


def _limit(task: Task) -> int:
    """Return the time limit of a blocked call in milliseconds, if it is one of the arguments; otherwise -1."""
    at = {"poll": 2, "epoll_wait": 3, "epoll_pwait": 3}.get(task.call.name)
    if at is None or len(task.call.arguments) <= at:
        return -1
    limit = task.call.arguments[at] & 0xFFFFFFFF
    return limit if limit < 0x8000_0000 else -1


def _doing(task: Task) -> str:
    call = task.call
    if task.running:
        return "is running"
    on = [STANDARD.get(one, "its connection") for one in call.descriptors or ()]
    if call.name in LOCK:
        return f"is blocked in {call.name}: it waits for a lock, or for another thread"
    return f"is blocked in {call.name}{' on ' + ' and '.join(dict.fromkeys(on)) if on else ''}"


def _feed(target: BinaryIO, source: "SimpleQueue[bytes | None]") -> None:
    """Write what comes from ``source``, until its end or until the client no longer reads."""
    try:
        while (data := source.get()) is not None:
            left = memoryview(data)
            while left:
                left = left[target.write(left) or 0 :]
        target.close()
    except (OSError, ValueError):
        return  # the client has ended, or has been stopped


def _drain(source: BinaryIO, into: bytearray) -> Thread:
    def drain() -> None:
        try:
            while data := source.read(65_536):
                into.extend(data[: MOST_PRINTED - len(into)])
        except (OSError, ValueError):
            return  # the client has been stopped

    thread = Thread(target=drain, daemon=True)
    thread.start()
    return thread

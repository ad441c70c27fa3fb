"""A submission that runs as a server: started contained, known to listen, looked at, stopped whole."""

import re
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress

from threadserver.address import Address
from threadserver.errors import KitError
from threadserver.inspection.calls import read_file
from threadserver.inspection.look import Look, TaskId, tasks_of
from threadserver.inspection.processes import Status, everyone, family, tasks
from threadserver.submission.containment import BUBBLEWRAP, wrap
from threadserver.submission.keeping import Keeper
from threadserver.submission.limits import MIB, Limits
from threadserver.submission.listening import Listening, free_port, listening
from threadserver.submission.output import Output
from threadserver.submission.preparing import Prepared

_POLL = 0.005


class StartError(KitError):
    """A submission that did not begin to listen where it should."""

    def __init__(self, kind: str, message: str, output: str, status: int | None) -> None:
        super().__init__(message)
        self.kind = kind
        """One of "ended", "never listened", "listens elsewhere", "cannot be started"."""
        self.output = output
        """What it said, made safe to show."""
        self.status = status
        """Its exit code, negative for a signal; None when it had not ended. (`exit_code` is ours, as of any error.)"""


class Running:
    """A submission's processes. Use `running`, which makes and stops them."""

    def __init__(self, keeper: Keeper, output: Output, address: Address, *, wrapped: bool) -> None:
        self.address = address
        self.pid = 0
        """A process that listens."""
        self._keeper = keeper
        self._output = output
        self._wrapped = wrapped
        self._flooded = ""

    @property
    def keeper(self) -> int:
        """The process that all of the submission's descend from, and that is none of them."""
        return self._keeper.pid

    @property
    def over_limit(self) -> str:
        """What it had too much of, so that it was ended; nothing while all is well."""
        self._keeper.update()
        return self._keeper.over or self._flooded

    def flooded(self, most: int) -> None:
        """End it: it said too much."""
        self._flooded = f"printed more than {most // MIB} MiB"
        self._keeper.end()

    def output(self) -> str:
        """Give what it has said: the first and the last 16 KiB, made safe to show."""
        return str(self._output)

    def ended(self) -> int | None:
        """Give the exit code of the process that was started, negative for a signal; None while it runs."""
        self._keeper.update()
        code = self._keeper.exit_code
        return 128 - code if code is not None and self._wrapped and 128 < code < 193 else code

    def members(self) -> dict[int, Status]:
        """Give all of its processes, zombies too, by our numbers; none of those that contain it."""
        everybody = everyone()
        below = family([self.keeper], everybody)[1:]
        if self._wrapped:
            inits = [pid for pid in below if _inner_number(f"/proc/{pid}/status") == 1]
            below = [pid for pid in family(inits, everybody) if pid not in inits]
        return {pid: everybody[pid] for pid in below}

    def look(self) -> Look:
        """Look at its tasks, and at what each is blocked in."""
        members = self.members()
        alive = [pid for pid, one in members.items() if one.state != "Z"]
        found = {task.id: task for pid in alive for task in tasks_of(pid)}
        return Look(members, found, frozenset(one.socket.inode for one in listening(alive)))

    def inner(self, pid: int, tid: int) -> TaskId:
        """Give the numbers that a task has for itself, in its own process namespace."""
        return _inner_number(f"/proc/{pid}/status"), _inner_number(f"/proc/{pid}/task/{tid}/status")

    def outer(self, pid: int, tid: int | None = None) -> TaskId | None:
        """Give our numbers of a task that calls itself so; None when there is no such task."""
        for ours in self.members():
            for task in tasks(ours):
                with suppress(OSError):
                    if self.inner(ours, task) == (pid, pid if tid is None else tid):
                        return ours, task
        return None

    def stop(self) -> None:
        """End all of it at once, and return when all has gone."""
        self._keeper.stop()
        self._output.finish(1.0)

    def await_listening(self, seconds: float) -> None:
        """Wait until it listens where it should. Raises StartError when it does not."""
        deadline = time.monotonic() + seconds
        elsewhere: list[Listening] = []
        while time.monotonic() < deadline:
            self._keeper.update(_POLL)
            if self._keeper.failed:
                raise self._failure("cannot be started", f"it cannot be started: {self._keeper.failed}")
            alive = [pid for pid, one in self.members().items() if one.state != "Z"]
            elsewhere = list(listening(alive))
            for one in elsewhere:
                if one.serves(self.address):
                    self.pid = one.pid
                    return
            if self.over_limit:
                raise self._failure("ended", f"it was ended: it {self.over_limit}")
            if self.ended() is not None and not alive:
                raise self._failure("ended", f"it ended with exit code {self.ended()} and never listened")
        if elsewhere:
            where = ", ".join(str(one.socket.local) for one in elsewhere)
            raise self._failure("listens elsewhere", f"it listens at {where}, not at {self.address}")
        raise self._failure("never listened", f"it did not listen at {self.address} within {seconds:g} s")

    def _failure(self, kind: str, message: str) -> StartError:
        self.stop()
        return StartError(kind, message, self.output(), self.ended())


@contextmanager
def running(
    prepared: Prepared, host: str = "127.0.0.1", port: int = 0, service: str | None = None,
    limits: Limits | None = None,
) -> Iterator[Running]:  # fmt: skip
    """Start a submission at an address (port 0: any that is free), and stop it whole in the end.

    It is there when the kernel says that one of its processes listens; nobody has connected then. Raises StartError
    when it does not begin to listen.
    """
    limits = limits or Limits()
    address = Address("tcp", host, port or free_port(host))
    words = [*prepared.command, host, str(address.port), *([service] if service else [])]
    output = Output(limits.output)
    with output.piped(wrap(prepared.containment, prepared.place, words, limits)) as order:
        keeper = Keeper(order)
    server = Running(keeper, output, address, wrapped=prepared.containment is BUBBLEWRAP)
    output.on_flood(lambda: server.flooded(limits.output))
    try:
        server.await_listening(limits.start)
        yield server
    finally:
        server.stop()


def _inner_number(path: str) -> int:
    """Read the last of the numbers that a task has, one in each process namespace; 0 when it has none or has gone."""
    try:
        found = re.search(rb"\nNSpid:[\t\d]*?(\d+)\n", read_file(path))
    except OSError:
        return 0
    return int(found[1]) if found else 0

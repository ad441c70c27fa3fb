"""The processes of a running submission, seen from outside: which they are, what they are blocked in, how they end.

In a process namespace of its own a process has two ids: one inside, which it writes into HELLO, and one that we see.
Processes that only contain it (bubblewrap itself, and the first process of the namespace, which adopts orphans) do not
belong to the submission.
"""

import re
import time
from contextlib import suppress

from threadserver.kernel.calls import read_file
from threadserver.kernel.look import Look, tasks_of
from threadserver.kernel.processes import Family, Status, family, tasks
from threadserver.kernel.task import TaskId
from threadserver.submission.containment import BUBBLEWRAP
from threadserver.submission.keeping import Keeper
from threadserver.submission.listening import listening
from threadserver.submission.machine_error import MachineError
from threadserver.submission.output import Output
from threadserver.submission.preparing import Prepared

_MOMENT = 0.2  # seconds within which a pipe ends after its only writer has ended


class Contained:
    """A submission's processes."""

    def __init__(self, prepared: Prepared, keeper: Keeper, *outputs: Output) -> None:
        self._keeper = keeper
        self._family = Family(keeper.pid)
        self._outputs = outputs
        self._wrapped = prepared.containment is BUBBLEWRAP
        self._trusted = prepared.containment.grades

    @property
    def keeper(self) -> int:
        """The process that all processes of the submission descend from; it is not one of them."""
        return self._keeper.pid

    @property
    def over_limit(self) -> str:
        """What it did that made us end it ("used more than 1024 MiB of memory"); empty while all is well."""
        self._update()
        return self._keeper.over

    def over_limit_now(self, seconds: float = 0.1) -> str:
        """Return `over_limit`, after the keeper has had a moment to notice: a connection ends before its process."""
        deadline = time.monotonic() + seconds
        while not self._keeper.done and (left := deadline - time.monotonic()) > 0:
            self._keeper.update(left)
        return self.over_limit

    def ended(self) -> int | None:
        """Return the exit code of the process that was started, negative for a signal; None while it runs."""
        self._update()
        code = self._keeper.exit_code
        return 128 - code if code is not None and self._wrapped and 128 < code < 193 else code

    def _update(self) -> None:
        """Note what the keeper reports. Raises MachineError when it was killed, which no submission can do."""
        self._keeper.update()
        if self._keeper.killed and self._trusted:
            raise MachineError(
                "the process that supervises the submission was killed from outside, perhaps because memory ran out: "
                "try again"
            )

    def members(self) -> dict[int, Status]:
        """Return all its processes, including zombies, by the ids that we see, each after its parent."""
        self._update()
        below = self._family.members()
        if not below and not self._keeper.gone:
            self._keeper.update(_MOMENT)  # if the keeper has just ended, its last reports are on their way
            self._update()
        if not self._wrapped:
            return below
        outside = {self.keeper, self._keeper.first}
        inits = [pid for pid in below if below[pid].parent in outside and _inner(f"/proc/{pid}/status") == 1]
        return {pid: below[pid] for pid in family(inits, below) if pid not in inits}

    def look(self) -> Look:
        """Look at its tasks, and at what each is blocked in."""
        members = self.members()
        alive = [pid for pid, one in members.items() if one.alive]
        found = {task.id: task for pid in alive for task in tasks_of(pid)}
        return Look(members, found, frozenset(one.socket.inode for one in listening(alive)))

    def inner(self, pid: int, tid: int) -> TaskId:
        """Return the ids that a task has in its own process namespace; 0 for a task that has ended."""
        return _inner(f"/proc/{pid}/status"), _inner(f"/proc/{pid}/task/{tid}/status")

    def outer(self, pid: int, tid: int | None = None) -> TaskId | None:
        """Return the ids that we see for the task with these ids inside; None when there is none."""
        wanted = (pid, pid if tid is None else tid)
        for ours in self.members():
            if _inner(f"/proc/{ours}/status") == pid:
                return next(((ours, task) for task in tasks(ours) if self.inner(ours, task) == wanted), None)
        return None

    def stop(self) -> None:
        """Kill all its processes at once, and return when all have ended."""
        self._keeper.stop()
        for output in self._outputs:
            output.finish(1.0)


def _inner(path: str) -> int:
    """Read the innermost of a task's ids, one in each process namespace around it; 0 when the task has ended."""
    with suppress(OSError):
        found = re.search(rb"\nNSpid:[\t\d]*?(\d+)\n", read_file(path))
        return int(found[1]) if found else 0
    return 0

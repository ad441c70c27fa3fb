"""Containment: what keeps a submission from the judge, from its neighbours and from the rest of the machine.

The strongest that the machine offers is used, found by trying it for real:

bubblewrap
    Namespaces of its own for processes, mounts, users and System V IPC. It sees what `view` shows, all read-only;
    nothing else exists for it, and none of our processes can be signalled or traced by it. As root it runs under a
    user id of its own besides, so that its tasks are counted apart.
user
    For root without namespaces: a user id of its own. It sees the machine as any stranger would.
self-check
    For an ordinary user without namespaces: limits and a process group, and the word of whoever wrote it.
"""

import os
import platform
import re
import shutil
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from threadserver.core.errors import KitError, UsageError
from threadserver.kernel.processes import everyone, tasks
from threadserver.submission import view
from threadserver.submission.keeping import Order, keep
from threadserver.submission.limits import Limits
from threadserver.submission.output import Output
from threadserver.submission.place import Place, may_change_user, place

FORCED = "THREADSERVER_CONTAINMENT"
"""The environment variable that names one, for tests and for the curious."""
TRIAL_LIMIT = 20.0


@dataclass(frozen=True, slots=True)
class Containment:
    """One kind of containment."""

    name: str
    sentence: str
    """For people."""
    grades: bool
    """True when a verdict may count as a grade."""

    def __str__(self) -> str:
        return self.name


BUBBLEWRAP = Containment(
    "bubblewrap", "contained by bubblewrap: namespaces of its own, and a read-only view of what it needs", True
)
USER = Containment("user", "contained by a user id of its own, and limits on what it may use", True)
SELF_CHECK = Containment(
    "self-check", "not contained, but for limits on what it may use: a self-check, not a grade", False
)
ALL = (BUBBLEWRAP, USER, SELF_CHECK)


def strongest() -> Containment:
    """Give the strongest containment that works here, or the one that THREADSERVER_CONTAINMENT names.

    Raises UsageError when that one does not work here, or is none; KitError when nothing works.
    """
    forced = os.environ.get(FORCED)
    if not forced:
        for one in ALL:
            if not why_not(one):
                return one
        raise KitError(f"no submission can be run here: {why_not(SELF_CHECK)}")
    named = [one for one in ALL if one.name == forced]
    if not named:
        raise UsageError(f"{FORCED}={forced}: there are only {', '.join(one.name for one in ALL)}")
    if why := why_not(named[0]):
        raise UsageError(f"{FORCED}={forced} does not work here: {why}")
    return named[0]


@cache
def why_not(containment: Containment) -> str:
    """Try one for real: start an interpreter in it. Say why it does not work; nothing when it does."""
    if containment is BUBBLEWRAP and not shutil.which("bwrap"):
        return "bubblewrap is not installed (apt install bubblewrap)"
    if containment is USER and not may_change_user():
        return "only root may run a submission as another user"
    if not shutil.which("prlimit"):
        return "prlimit is not installed (apt install util-linux)"
    with place(own_user=own_user(containment)) as trial:
        return _try(wrap(containment, trial, [str(python_for(containment, trial)), "-c", "import socket"], Limits()))


def _try(order: Order) -> str:
    output = Output()
    keeper = keep(order, output)
    try:
        keeper.wait(TRIAL_LIMIT)
    finally:
        keeper.stop()
        output.finish(TRIAL_LIMIT)
    if keeper.exit_code == 0:
        return ""
    return keeper.failed or " ".join(str(output).split()) or "it does not start"


def own_user(containment: Containment) -> bool:
    """Tell whether a submission gets a user id of its own."""
    return containment is not SELF_CHECK and may_change_user()


def python_for(containment: Containment, place: Place) -> Path:
    """Give the interpreter's path as the submission sees it."""
    if containment is USER and place.mounted and view.python_is_apart():
        return place.folder / "python" / view.python().relative_to(view.python_home())
    return view.python()


def wrap(
    containment: Containment, place: Place, command: list[str], limits: Limits, *, building: bool = False
) -> Order:
    """Give the order that runs a submission's command in its place, contained.

    A build may write into the private copy, and with bubblewrap reaches no network.
    """
    environment = dict(view.ENVIRONMENT)
    if containment is BUBBLEWRAP:
        kit, folder, mounts = view.KIT_INSIDE, "/", view.staging(place)
        before = view.bubblewrap(place, limits, writable=building, network=not building)
    else:
        kit, folder, mounts = place.folder / "kit", str(place.copy), view.hiding(place, limits, writable=building)
        before = []
        environment |= {"PATH": os.environ.get("PATH", environment["PATH"])} if place.user is None else {}
    if place.kit:
        environment["PYTHONPATH"] = str(kit)
    return Order(
        [*before, *limits.as_command(_tasks(containment, place, limits)), *command], environment, folder, place.user,
        mounts=mounts if place.mounted else None, memory=limits.memory, disk=limits.disk if building else 0,
        built=str(place.copy),
    )  # fmt: skip


def _tasks(containment: Containment, place: Place, limits: Limits) -> int:
    """Give the limit of tasks: the kernel counts those of a user, since Linux 5.14 apart in each user namespace."""
    if place.user is not None or (containment is BUBBLEWRAP and _kernel() >= (5, 14)):
        return limits.tasks
    ours = os.geteuid()
    return limits.tasks + sum(len(tasks(pid)) for pid in everyone() if _user_of(pid) == ours)


def _user_of(pid: int) -> int:
    try:
        return Path(f"/proc/{pid}").stat().st_uid
    except OSError:
        return -1


def _kernel() -> tuple[int, ...]:
    return tuple(int(number) for number in re.findall(r"\d+", platform.release())[:2])

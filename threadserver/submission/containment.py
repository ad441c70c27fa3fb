"""Containment: what keeps a submission from the judge, from its neighbours and from the rest of the machine.

The judge uses the strongest kind that the machine offers, and finds it by really trying each:

bubblewrap
    The submission has its own namespaces for processes, mounts, users and System V IPC. It sees what `view` shows, all
    read-only; nothing else exists for it, and it can neither signal nor trace any of our processes. If the judge is
    root, the submission also has its own user id, so that its tasks are counted separately.
user
    For root without namespaces: a user id of its own. With Landlock it reads only what `view` names; otherwise it sees
    what every user sees, and is refused if every user can read the labs' solutions.
self-check
    For an ordinary user without namespaces: limits and a process group. The author must be trusted.
"""

import os
import platform
import re
import shutil
import time
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from threadserver.core.errors import UsageError
from threadserver.core.labs import PACKAGE
from threadserver.kernel.namespaces import Network
from threadserver.kernel.processes import everyone, family, tasks
from threadserver.kernel.sockets import Tables
from threadserver.submission import view
from threadserver.submission.cgroup import own_group
from threadserver.submission.keeping import Keeper, Order, keep
from threadserver.submission.limits import Limits, require_room
from threadserver.submission.listening import free_port, listening
from threadserver.submission.machine_error import MachineError
from threadserver.submission.output import Output
from threadserver.submission.place import Place, may_change_user, place

FORCED = "THREADSERVER_CONTAINMENT"
"""The environment variable that names one, for tests and for the curious."""
TRIAL_LIMIT = 20.0
_TRIAL = """
import os, socket, sys, time
for folder in sys.argv[3:]:
    try:
        print("reads", os.listdir(folder) and folder, flush=True)
    except OSError:
        pass
listener = socket.create_server((sys.argv[1], int(sys.argv[2])))
time.sleep(60)
"""
_BLIND = (
    "the judge cannot inspect what runs in it: it lacks CAP_SYS_PTRACE, or something else hides /proc "
    "(docker run --cap-add SYS_PTRACE)"
)


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
    "bubblewrap", "contained by bubblewrap: its own namespaces, and a read-only view of what it needs", True
)
USER = Containment("user", "contained by a user id of its own, and limits on what it may use", True)
SELF_CHECK = Containment(
    "self-check", "not contained, only limited in what it may use: a self-check, not a grade", False
)
ALL = (BUBBLEWRAP, USER, SELF_CHECK)


def strongest() -> Containment:
    """Return the strongest containment that works here, or the one that THREADSERVER_CONTAINMENT names.

    Raises UsageError when that one is unknown or does not work here; MachineError when none works, or when the machine
    has too few tasks or too little memory. Root never runs a submission as root: it would own the machine.
    """
    require_room()
    forced = os.environ.get(FORCED)
    if not forced:
        last = USER if may_change_user() else SELF_CHECK
        for one in ALL[: ALL.index(last) + 1]:
            if not why_not(one):
                return one
        raise MachineError(f"no submission can be run here: {why_not(last)}")
    named = [one for one in ALL if one.name == forced]
    if not named:
        raise UsageError(f"{FORCED}={forced} is unknown: there are {', '.join(one.name for one in ALL)}")
    if why := why_not(named[0]):
        raise UsageError(f"{FORCED}={forced} does not work here: {why}")
    return named[0]


@cache
def why_not(containment: Containment) -> str:
    """Really try one: start a server in it, and inspect it. Return why it does not work; empty when it does."""
    if containment is BUBBLEWRAP and not shutil.which("bwrap"):
        return "bubblewrap is not installed (apt install bubblewrap)"
    if containment is USER and not may_change_user():
        return "only root may run a submission as another user"
    if not shutil.which("prlimit"):
        return "prlimit is not installed (apt install util-linux)"
    with place(own_user=own_user(containment)) as trial:
        if why := _out_of_reach(trial):
            return why
        words = [str(python_for(containment, trial)), "-c", _TRIAL, "127.0.0.1", str(port := free_port("127.0.0.1"))]
        words += map(str, view.solutions()) if containment is not SELF_CHECK else []
        return _try(wrap(containment, trial, words, Limits()), port)


def _out_of_reach(place: Place) -> str:
    """Return why a submission's own user cannot run our Python; empty when it can, or when the keeper shows it."""
    if place.user is None or place.mounted:
        return ""
    for path in (view.python(), *view.python().parents):
        if not path.stat().st_mode & 0o001:
            return (
                f"the submission's user cannot reach {view.python()}, because {path} is closed to others: use a Python "
                "that every user can run (a venv of /usr/bin/python3, say)"
            )
    return ""


def _try(order: Order, port: int) -> str:
    """Start the trial server and wait until it is seen to listen. Return why it is not; empty when it is."""
    output = Output()
    keeper = keep(order, output)
    try:
        why = _await_server(keeper, port)
    finally:
        keeper.stop()
        output.finish(TRIAL_LIMIT)
    found = [line for line in str(output).splitlines() if line.startswith("reads ")]
    if found and not why:
        labs = (PACKAGE / "labs").resolve()
        return f"every user can read the labs' solutions; close them to others: chmod -R go-rwx {labs}"
    return why if why != _ENDED else keeper.failed or " ".join(str(output).split()) or "a server does not start in it"


_ENDED = "ended"


def _await_server(keeper: Keeper, port: int) -> str:
    """Wait until a descendant of a keeper listens; return why none does, empty when one does."""
    deadline = time.monotonic() + TRIAL_LIMIT
    with Network() as network, Tables(network) as tables:
        while time.monotonic() < deadline:
            keeper.update(0.005)
            if keeper.done:
                return _ENDED
            if any(one.port == port for one in tables.listeners()):
                below = family([keeper.pid], everyone())[1:]
                return "" if any(one.socket.port == port for one in listening(below)) else _BLIND
    return f"a server in it did not listen within {TRIAL_LIMIT:g} s"


def require_working(containment: Containment, error: Exception) -> None:
    """Try a containment again after a submission did not start in it. Raises MachineError when no server does."""
    if why := why_not.__wrapped__(containment):
        raise MachineError(f"servers no longer start here: {why}") from error


def own_user(containment: Containment) -> bool:
    """Tell whether a submission gets a user id of its own."""
    return containment is not SELF_CHECK and may_change_user()


def python_for(containment: Containment, place: Place) -> Path:
    """Return the interpreter's path as the submission sees it."""
    if containment is USER and place.mounted and view.python_is_apart():
        return place.folder / "python" / view.python().relative_to(view.python_home())
    return view.python()


def wrap(
    containment: Containment, place: Place, command: list[str], limits: Limits, *, building: bool = False
) -> Order:
    """Return the order that runs a submission's command in its place, contained.

    A build may write into the private copy, and with bubblewrap reaches no network.
    """
    limits = limits.fitted()
    environment = dict(view.ENVIRONMENT)
    readable, writable = None, list[str]()
    if containment is BUBBLEWRAP:
        kit, folder, mounts = view.KIT_INSIDE, "/", view.staging(place)
        before = view.bubblewrap(place, limits, writable=building, network=not building)
    else:
        kit, folder, mounts = place.folder / "kit", str(place.copy), view.hiding(place, limits, writable=building)
        before = []
        if containment is USER:
            readable, writable = view.confinement(place, writable=building)
        if containment is USER and not place.mounted:
            environment |= {"TMPDIR": str(place.temporary), "HOME": str(place.temporary)}
        environment |= {"PATH": view.path_of_tools()} if place.user is None else {}
    if place.kit:
        environment["PYTHONPATH"] = str(kit)
    return Order(
        [*before, *limits.as_command(_tasks(containment, place, limits)), *command], environment, folder, place.user,
        mounts=mounts if place.mounted else None, memory=limits.memory, disk=limits.disk if building else 0,
        built=str(place.copy), readable=readable, writable=writable, lock=place.lock, kills=own_group().kills_file,
    )  # fmt: skip


def _tasks(containment: Containment, place: Place, limits: Limits) -> int:
    """Return the limit of tasks. The kernel counts them by user; since Linux 5.14 separately in each user namespace."""
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

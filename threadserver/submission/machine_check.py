"""What this machine offers for judging, and what follows from it: the answers of ``threadserver doctor``."""

import json
import os
import platform
import resource
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from threadserver.submission import view
from threadserver.submission.containment import ALL, BUBBLEWRAP, FORCED, SELF_CHECK, USER
from threadserver.submission.limits import GIB, MIB, Limits
from threadserver.submission.network import privately
from threadserver.submission.place import may_change_user
from threadserver.submission.probe import Probe

_PROGRAM = "import sys; sys.path.insert(0, {kit!r}); from threadserver.submission.probe import main; main()"
_PROBE_LIMIT = 120.0
_TOOLS = {
    "bwrap": ("bubblewrap", "contains submissions"),
    "strace": ("strace", "sees which task really sent an answer"),
    "make": ("make", "builds submissions with a Makefile"),
    "cc": ("gcc", "compiles submissions in C"),
    "prlimit": ("util-linux", "sets the limits of a submission"),
}
ROOM = 512 * MIB
"""Bytes that a few private copies and builds need at most."""


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that was looked at."""

    name: str
    good: bool
    what: str
    """What was found."""
    follows: str
    """What follows for judging; when it is not good, also what to do."""


@dataclass(frozen=True, slots=True)
class Machine:
    """All that was found."""

    containment: str
    """The strongest that works."""
    grades: bool
    """True when a verdict from here may count as a grade."""
    private_network: bool
    findings: list[Finding]


def examine() -> Machine:
    """Look at this machine; it takes about a second."""
    probe = _probe()
    strongest = next((one for one in ALL if not probe.why_not.get(one.name)), SELF_CHECK)
    findings = [
        _system(), _user(), *_containment(probe), _network(probe), _costs(probe), *_seeing(probe), *_tools(),
        *_limits(), _temporary(),
    ]  # fmt: skip
    return Machine(strongest.name, strongest.grades, probe.private_network, findings)


def _probe() -> Probe:
    """Try it where a judge would: in a fresh process, in a private network."""
    program = [sys.executable, "-I", "-c", _PROGRAM.format(kit=str(view.KIT.parent))]
    environment = {name: value for name, value in os.environ.items() if name != FORCED}
    try:
        said = subprocess.run(
            privately(program), env=environment, capture_output=True, text=True, timeout=_PROBE_LIMIT, check=False
        )
        return Probe(**json.loads(said.stdout))
    except (subprocess.TimeoutExpired, ValueError, TypeError) as error:
        why = f"the trial did not end well: {error}"
        return Probe({one.name: why for one in ALL}, private_network=False, may_mount=False, netlink=False, problem=why)


def _system() -> Finding:
    what = f"{platform.system()} {platform.release()}, {os.cpu_count()} processors, Python {platform.python_version()}"
    linux = platform.system() == "Linux" and Path("/proc/self/task").is_dir()
    return Finding(
        "system", linux, what,
        "what tasks are blocked in can be read in /proc" if linux
        else "judging needs Linux with /proc: use a virtual machine or a container",
    )  # fmt: skip


def _user() -> Finding:
    if may_change_user():
        return Finding("user", True, "root", "each submission runs as a user of its own")
    if os.geteuid() == 0:
        return Finding("user", True, "root of a user namespace", "submissions run as we do, inside namespaces")
    return Finding(
        "user", True, f"user id {os.geteuid()}", "submissions run as we do, inside namespaces where those work"
    )


def _containment(probe: Probe) -> Iterator[Finding]:
    why = probe.why_not.get(BUBBLEWRAP.name, "")
    yield Finding(
        "bubblewrap", not why, why or "works: process, mount, user and IPC namespaces",
        _cure(why) if why else "verdicts are grades; a submission sees only what it needs",
    )  # fmt: skip
    if why:
        yield _another_user(probe.why_not.get(USER.name, ""), may_mount=probe.may_mount)


def _another_user(why: str, *, may_mount: bool) -> Finding:
    """Say whether root's second best works; of interest only where bubblewrap does not."""
    follows = "verdicts are grades, but a submission may read what every user may"
    if why:
        follows = "verdicts are self-checks, not grades"
    elif not may_mount:
        follows += ": install the kit where others cannot read its labs"
    return Finding("another user id", not why, why or "works", follows)


def _cure(why: str) -> str:
    if "not installed" in why:
        return "install it, or no submission is kept in namespaces"
    return (
        "no submission is kept in namespaces; what may forbid them: a container around us, AppArmor, "
        "sysctl user.max_user_namespaces"
    )


def _network(probe: Probe) -> Finding:
    if probe.private_network:
        return Finding(
            "private network", True, "works", "every judge has its own ports, and writes become partial early"
        )  # fmt: skip
    return Finding(
        "private network", False, "cannot be made",
        "judges share the machine's ports, submissions reach its network, and partial writes are not tested",
    )  # fmt: skip


def _costs(probe: Probe) -> Finding:
    if probe.problem or not probe.start:
        return Finding("a contained server", False, probe.problem or "was not started", "nothing can be judged here")
    what = f"starts in {probe.start * 1000:.0f} ms, is gone in {probe.stop * 1000:.0f} ms"
    return Finding("a contained server", True, what, "a lab of 20 checks starts some 25 of them")


def _seeing(probe: Probe) -> Iterator[Finding]:
    yield Finding(
        "blocked calls", probe.call_seen, f"seen: {probe.call}" if probe.call_seen else "hidden",
        "the table of blocked calls is a witness of the model" if probe.call_seen
        else "one witness less: models may stay undetermined; root needs CAP_SYS_PTRACE for it",
    )  # fmt: skip
    yield Finding(
        "tracing", not probe.tracing, probe.tracing or "strace can be attached to a submission",
        "who sent each answer is a witness of the model" if not probe.tracing
        else "one witness less: decoys may leave a model undetermined",
    )  # fmt: skip
    yield Finding(
        "socket tables", probe.netlink, "over netlink" if probe.netlink else "from /proc/net only",
        "backlog limits are seen" if probe.netlink else "backlog limits and the ends of local sockets are not seen",
    )  # fmt: skip


def _tools() -> Iterator[Finding]:
    for name, (package, use) in _TOOLS.items():
        found = shutil.which(name)
        yield Finding(name, bool(found), found or f"not installed: apt install {package}", use)


def _limits() -> Iterator[Finding]:
    ours = Limits()
    descriptors = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    enough = descriptors == resource.RLIM_INFINITY or descriptors >= ours.descriptors
    most = "unlimited" if descriptors == resource.RLIM_INFINITY else f"up to {descriptors} a process"
    yield Finding(
        "descriptors", enough, most,
        f"a submission gets {ours.descriptors}" if enough else "fewer clients at once than labs use: raise ulimit -n",
    )  # fmt: skip
    memory = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    yield Finding(
        "memory", memory >= 2 * GIB, f"{memory / GIB:.1f} GiB",
        f"a submission is ended when it uses more than {ours.memory / GIB:g} GiB; {ours.tasks} tasks at most",
    )  # fmt: skip


def _temporary() -> Finding:
    folder = tempfile.gettempdir()
    free = shutil.disk_usage(folder).free
    runs = not os.statvfs(folder).f_flag & os.ST_NOEXEC
    follows = "private copies of submissions are made and built there"
    if not runs:
        follows = "programs in C cannot be run there: set TMPDIR to a folder of a file system mounted without noexec"
    elif free < ROOM:
        follows = "that is little for private copies and builds: set TMPDIR to another folder"
    what = f"{folder}, {free / GIB:.1f} GiB free" + ("" if runs else ", no programs may run there")
    return Finding("temporary files", runs and free >= ROOM, what, follows)

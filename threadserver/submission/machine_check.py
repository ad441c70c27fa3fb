"""What this machine offers for judging, and what that means: the findings of ``threadserver doctor``."""

import json
import os
import platform
import resource
import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from threadserver.core.labs import PACKAGE
from threadserver.kernel.eyes import CAP_SYS_PTRACE, has_capability, must_borrow
from threadserver.submission.cgroup import own_group
from threadserver.submission.containment import ALL, BUBBLEWRAP, FORCED, SELF_CHECK, USER
from threadserver.submission.keeper import landlock_version
from threadserver.submission.limits import GIB, LEAST_MEMORY, LEAST_TASKS, MIB, Limits, room
from threadserver.submission.machine_error import MachineError
from threadserver.submission.network import privately
from threadserver.submission.place import may_change_user
from threadserver.submission.probe import Probe
from threadserver.submission.temporary import runs_programs, temporary_folder

_PROGRAM = "import sys; sys.path.insert(0, {kit!r}); from threadserver.submission.probe import main; main()"
_PROBE_LIMIT = 120.0
_TOOLS = {
    "bwrap": ("bubblewrap", "contains submissions"),
    "strace": ("strace", "names the call of a server that never rests; for classify, the task that sends"),
    "make": ("make", "builds submissions with a Makefile"),
    "cc": ("gcc", "compiles submissions in C"),
    "prlimit": ("util-linux", "sets the limits of a submission"),
}
ROOM = 512 * MIB
"""Bytes that a few private copies and builds need at most."""


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that was examined."""

    name: str
    good: bool
    what: str
    """What was found."""
    follows: str
    """What it means for judging; when it is not good, also what to do."""


@dataclass(frozen=True, slots=True)
class Machine:
    """What was found on this machine."""

    containment: str
    """The name of the strongest that works."""
    grades: bool
    """True when a verdict from here may count as a grade."""
    private_network: bool
    findings: list[Finding]
    refusal: str = ""
    """Why nothing can be judged here; empty when judging is possible."""


def examine() -> Machine:
    """Examine this machine; that takes about a second."""
    probe = _probe()
    strongest = next((one for one in ALL if not probe.why_not.get(one.name)), SELF_CHECK)
    findings = [
        _system(), _user(), _rights(), *_containment(probe), _network(probe), _costs(probe), _numbers(probe),
        *_seeing(probe), *_tools(), *_limits(), _temporary(),
    ]  # fmt: skip
    grades = strongest.grades and not probe.refusal
    return Machine(strongest.name, grades, probe.private_network, findings, probe.refusal)


def _probe() -> Probe:
    """Try everything where a judge would: in a fresh process, in a private network."""
    program = [sys.executable, "-I", "-c", _PROGRAM.format(kit=str(PACKAGE.parent))]
    environment = {name: value for name, value in os.environ.items() if name != FORCED}
    try:
        said = subprocess.run(
            privately(program), env=environment, capture_output=True, text=True, timeout=_PROBE_LIMIT, check=False
        )
        return Probe(**json.loads(said.stdout))
    except (subprocess.TimeoutExpired, ValueError, TypeError) as error:
        why = f"the trial failed: {error}"
        return Probe({one.name: why for one in ALL}, private_network=False, may_mount=False, netlink=False, problem=why)


def _system() -> Finding:
    what = f"{platform.system()} {platform.release()}, {os.cpu_count()} processors, Python {platform.python_version()}"
    linux = platform.system() == "Linux" and Path("/proc/self/task").is_dir()
    return Finding(
        "system", linux, what,
        "/proc shows what tasks are blocked in" if linux
        else "judging needs Linux with /proc: use a virtual machine or a container",
    )  # fmt: skip


def _user() -> Finding:
    if may_change_user():
        return Finding("user", True, "root", "each submission runs as a separate user")
    if os.geteuid() == 0:
        return Finding(
            "user", True, "root of a user namespace", "submissions run as the judge's user, inside namespaces"
        )
    return Finding(
        "user", True, f"user id {os.geteuid()}", "submissions run as your user, inside namespaces if those work"
    )


def _rights() -> Finding:
    if os.geteuid() != 0:
        return Finding("rights", True, "those of an ordinary user", "the judge may inspect only what it starts itself")
    if has_capability(CAP_SYS_PTRACE):
        return Finding("rights", True, "CAP_SYS_PTRACE", "the judge may inspect the processes of every user")
    return Finding(
        "rights", not must_borrow() or may_change_user(), "no CAP_SYS_PTRACE",
        "the judge inspects submissions as their own user, which Yama may forbid: docker run --cap-add SYS_PTRACE",
    )  # fmt: skip


def _containment(probe: Probe) -> Iterator[Finding]:
    why = probe.why_not.get(BUBBLEWRAP.name, "")
    yield Finding(
        "bubblewrap", not why, why or "works: process, mount, user and IPC namespaces",
        _cure(why) if why else "verdicts are grades; a submission sees only what it needs",
    )  # fmt: skip
    if why:
        yield _another_user(probe.why_not.get(USER.name, ""), may_mount=probe.may_mount)


def _another_user(why: str, *, may_mount: bool) -> Finding:
    """Say whether the containment `user` works; it matters only where bubblewrap does not."""
    hides = may_mount or landlock_version() > 0
    follows = (
        "verdicts are grades; a submission can read only what it needs"
        if hides
        else ("verdicts are grades, but a submission can read whatever any user can")
    )
    if why:
        follows = "verdicts are self-checks, not grades"
    elif not hides:
        follows += ": install the kit where others cannot read its labs"
    return Finding("another user id", not why, why or "works", follows)


def _cure(why: str) -> str:
    if "not installed" in why:
        return "install it; without it, submissions do not get namespaces of their own"
    return (
        "submissions get no namespaces of their own; possible causes: sysctl user.max_user_namespaces, AppArmor, or a "
        "container, which needs --security-opt seccomp=unconfined, apparmor=unconfined and "
        "systempaths=unconfined (podman: unmask=ALL)"
    )


def _network(probe: Probe) -> Finding:
    if probe.private_network:
        return Finding(
            "private network", True, "works", "each judge has its own ports, and partial writes are tested"
        )  # fmt: skip
    return Finding(
        "private network", False, "cannot be made",
        "judges share the machine's ports, submissions can reach its network, and partial writes are not tested",
    )  # fmt: skip


def _costs(probe: Probe) -> Finding:
    if probe.problem or not probe.start:
        return Finding("a contained server", False, probe.problem or "was not started", "nothing can be judged here")
    what = f"starts in {probe.start * 1000:.0f} ms, stops in {probe.stop * 1000:.0f} ms"
    return Finding("a contained server", True, what, "judging one submission starts several")


def _numbers(probe: Probe) -> Finding:
    return Finding(
        "system calls", probe.numbers,
        "numbered as on this machine" if probe.numbers else "numbered as on another machine: this one is emulated",
        "the judge can name the call that a task waits in" if probe.numbers
        else "no verdict on the model is possible here: judge on a machine that is not emulated",
    )  # fmt: skip


def _seeing(probe: Probe) -> Iterator[Finding]:
    yield Finding(
        "blocked calls", probe.call_seen, f"seen: {probe.call}" if probe.call_seen else "hidden",
        "the judge sees what each task waits for: evidence of the model" if probe.call_seen
        else "less evidence: models may stay undetermined; root needs CAP_SYS_PTRACE for it",
    )  # fmt: skip
    yield Finding(
        "tracing", not probe.tracing, probe.tracing or "works: a submission was traced while it accepted a client",
        "the sender of each answer is a witness of the model" if not probe.tracing
        else "one witness less: decoys may leave a model undetermined",
    )  # fmt: skip
    yield Finding(
        "socket tables", probe.netlink, "over netlink" if probe.netlink else "from /proc/net only",
        "backlog limits are seen" if probe.netlink else "backlog limits and the peers of local sockets are not seen",
    )  # fmt: skip


def _tools() -> Iterator[Finding]:
    for name, (package, use) in _TOOLS.items():
        found = shutil.which(name)
        yield Finding(name, bool(found), found or f"not installed: apt install {package}", use)


def _limits() -> Iterator[Finding]:
    ours = Limits()
    descriptors = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    enough = descriptors == resource.RLIM_INFINITY or descriptors >= ours.descriptors
    most = "unlimited" if descriptors == resource.RLIM_INFINITY else f"up to {descriptors} for each process"
    yield Finding(
        "descriptors", enough, most,
        f"a submission gets {ours.descriptors}" if enough else "too few for the clients of some labs: raise ulimit -n",
    )  # fmt: skip
    tasks, memory = room()
    fitted = ours.fitted()
    group = own_group()
    limit = (
        f"at most {group.tasks.most} in our control group (pids.max)" if group.tasks else "no limit in a control group"
    )
    yield Finding(
        "tasks", tasks >= LEAST_TASKS, limit,
        f"a submission gets {fitted.tasks}" if tasks >= LEAST_TASKS
        else f"labs need {LEAST_TASKS}: raise pids.max (docker run --pids-limit 512) or ulimit -u",
    )  # fmt: skip
    physical = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    bounded = f", at most {group.memory.most / MIB:.0f} MiB in our control group (memory.max)" if group.memory else ""
    yield Finding(
        "memory", memory >= LEAST_MEMORY and physical >= GIB, f"{physical / GIB:.1f} GiB{bounded}",
        f"a submission is ended when it uses more than {fitted.memory // MIB} MiB" if memory >= LEAST_MEMORY
        else "too little for judging: raise memory.max (docker run --memory 1g)",
    )  # fmt: skip


def _temporary() -> Finding:
    try:
        folder = temporary_folder()
    except MachineError as error:
        return Finding("temporary files", False, str(error), "nothing can be judged here")
    free = shutil.disk_usage(folder).free
    runs = runs_programs(folder)
    follows = "submissions are copied and built there"
    if not runs:
        follows = "programs in C cannot run there: set TMPDIR to a folder on a file system mounted without noexec"
    elif free < ROOM:
        follows = "too little to copy and build submissions: set TMPDIR to another folder"
    what = f"{folder}, {free / GIB:.1f} GiB free" + ("" if runs else ", programs may not run there")
    return Finding("temporary files", runs and free >= ROOM, what, follows)

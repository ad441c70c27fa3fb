"""The keeper of a started program: a process that adopts its orphans, including daemons, and ends them all.

A daemon forks twice and calls setsid(), so neither its group nor its parent leads to it any more. But the kernel gives
orphans to the nearest *child subreaper* among their ancestors (prctl(2), PR_SET_CHILD_SUBREAPER), which is this
process. It ends them all when its standard input ends, because it was told to or because the process that started it
has died, and when together they use more memory or disk than they may.

This program runs by itself, without the rest of the kit. The first line of its standard input is the order, a JSON
object as `keeping.Order` makes it. It writes lines to standard output: ``started PID`` or ``failed WHY``, ``ended
STATUS`` when the command ends by itself, ``gone`` when none of its processes is left, ``over WHAT`` when it used too
much. The command gets three descriptors and nothing else of ours.
"""

import ctypes
import json
import os
import re
import select
import signal
import struct
import subprocess
import sys
import time
from collections.abc import Callable

PR_SET_CHILD_SUBREAPER = 36
CLONE_NEWNS, CLONE_NEWIPC = 0x0002_0000, 0x0800_0000
MS_RDONLY, MS_REMOUNT, MS_BIND, MS_REC, MS_PRIVATE = 1, 32, 4096, 16384, 1 << 18
LOOK = 0.1  # seconds between two looks at memory and disk
STARVED = "used more memory than is available here: the kernel killed it"
LIBC = ctypes.CDLL(None, use_errno=True)
PR_SET_DUMPABLE, PR_SET_NO_NEW_PRIVS, PR_SET_PTRACER = 4, 38, 0x5961_6D61
# landlock(7): three system calls, and the rights to files and folders that the first version knows, by bit.
CREATE_RULESET, ADD_RULE, RESTRICT_SELF = 444, 445, 446
READING, OF_FILES, ALL_RIGHTS = 0b1101, 0b111, (1 << 13) - 1  # run, read a file, list a folder; run, write, read; all
REFER = 1 << 13  # to move and link between folders; from the second version on


def parent_of(pid: int) -> int:
    """Read a process's parent; 0 when it has gone."""
    try:
        with open(f"/proc/{pid}/stat", "rb") as file:
            return int(file.read().rpartition(b")")[2].split()[1])
    except (OSError, IndexError, ValueError):
        return 0


def descendants() -> list[int]:
    """Return every process below this one."""
    parents = {int(name): parent_of(int(name)) for name in os.listdir("/proc") if name.isdecimal()}  # noqa: PTH208
    below = {os.getpid()}
    while True:
        more = {pid for pid, parent in parents.items() if parent in below} - below
        if not more:
            return sorted(below - {os.getpid()})
        below |= more


def family() -> list[int]:
    """Return the processes below this one, as the kernel lists children: proc_pid_children(5).

    Reading this costs much less than a look at every process of the machine, but a process that forks or ends
    meanwhile may be missing. Where the kernel has no such list it is `descendants`.
    """
    found: list[int] = []
    waiting = [os.getpid()]
    while waiting:
        pid = waiting.pop()
        try:
            for task in os.listdir(f"/proc/{pid}/task"):  # noqa: PTH208
                with open(f"/proc/{pid}/task/{task}/children", "rb") as file:
                    children = list(map(int, file.read().split()))
                found += children
                waiting += children
        except OSError:
            if pid == os.getpid():
                return descendants()
    return found


def reap(first: "subprocess.Popen[bytes]", starved: "Callable[[], bool]" = bool) -> bool:
    """Wait for children that have ended; return False when none is left. Reports the end of ``first``.

    ``starved`` tells whether the kernel has killed a process because memory ran out; it is asked when one was killed.
    """
    while True:
        try:
            pid, status = os.waitpid(-1, os.WNOHANG)
        except ChildProcessError:
            return False
        if pid == 0:
            return True
        code = os.waitstatus_to_exitcode(status)
        if code in {-signal.SIGKILL, 128 + signal.SIGKILL} and starved():
            say(f"over {STARVED}")
        if pid == first.pid:
            say(f"ended {code}")


def say(line: str) -> None:
    """Report to the process that started us."""
    try:  # noqa: SIM105
        os.write(1, f"{line}\n".encode())
    except OSError:
        pass


def send(number: int, pids: list[int]) -> None:
    """Send a signal to those processes that still exist."""
    for pid in pids:
        try:  # noqa: SIM105
            os.kill(pid, number)
        except OSError:
            pass


def kill_all(user: "int | None") -> None:
    """Kill all descendants. A stopped process cannot fork, so first stop them all, until no new one is found."""
    if user is not None:
        kill_user(user)
    stopped: set[int] = set()
    while new := set(descendants()) - stopped:
        send(signal.SIGSTOP, sorted(new))
        stopped |= new
    send(signal.SIGKILL, sorted(stopped))


def kill_user(user: int) -> None:
    """Kill every process of the submission's own user id at once, as that user: kill(2), -1."""
    child = os.fork()
    if child == 0:
        try:
            os.setgroups([])
            os.setresgid(user, user, user)
            os.setresuid(user, user, user)
            os.kill(-1, signal.SIGKILL)
        finally:
            os._exit(0)
    os.waitpid(child, 0)


def end_all(first: "subprocess.Popen[bytes]", grace: float, user: "int | None") -> None:
    """Ask the first to end, a little later all others, then kill those that remain; without grace kill at once."""
    deadline = time.monotonic() + grace
    asked = False
    if grace:
        send(signal.SIGTERM, [first.pid] if first.pid in descendants() else descendants())
    while reap(first):
        left = deadline - time.monotonic()
        if not asked and grace and (left < grace / 2 or not parent_of(first.pid)):
            asked = True
            send(signal.SIGTERM, descendants())
        if left <= 0:
            kill_all(user)
        time.sleep(0.01 if left > 0 else 0.002)


def memory_of(pids: list[int]) -> int:
    """Sum the memory of processes, in bytes: an upper bound if that is small, otherwise exactly (PSS)."""
    rough = 0
    for pid in pids:
        try:
            with open(f"/proc/{pid}/statm", "rb") as file:
                resident, shared = map(int, file.read().split()[1:3])
        except (OSError, ValueError):
            continue
        rough += (resident - shared) * os.sysconf("SC_PAGE_SIZE")
    return rough


def exact_memory_of(pids: list[int], user: "int | None") -> int:
    """Sum the proportional memory (PSS): of pages that n processes share, each counts one n-th (forks share most).

    It is read as the submission's user, because root may be refused in a container. Real and saved ids stay root's, so
    that user can do nothing to us meanwhile.
    """
    total = 0
    if user is not None:
        os.setegid(user)
        os.seteuid(user)
    try:
        for pid in pids:
            try:
                with open(f"/proc/{pid}/smaps_rollup", "rb") as file:
                    found = re.search(rb"\nPss:\s+(\d+) kB", file.read())
            except OSError:
                continue
            total += int(found[1]) * 1024 if found else 0
    finally:
        if user is not None:
            os.seteuid(0)
            os.setegid(0)
    return total


def size_of(folder: str) -> int:
    """Sum the sizes of the files below a folder, in bytes, with 4 KiB added for each."""
    total = 0
    waiting = [folder]
    while waiting:  # os.walk() gives up where folders are very deep
        try:
            with os.scandir(waiting.pop()) as entries:
                for entry in entries:
                    total += 4096 + entry.stat(follow_symlinks=False).st_size
                    if entry.is_dir(follow_symlinks=False):
                        waiting.append(entry.path)
        except OSError:
            continue
    return total


def excess(order: "dict[str, object]") -> str:
    """Return what the program has used too much of; empty while all is well."""
    memory, disk = int(str(order["memory"])), int(str(order["disk"]))
    if memory:
        pids = family()
        user = order["user"]
        assert user is None or isinstance(user, int)  # noqa: S101
        if memory_of(pids) > memory and exact_memory_of(pids, user) > memory:
            return f"used more than {memory >> 20} MiB of memory"
    if disk and size_of(str(order["built"])) > disk:
        return f"wrote more than {disk >> 20} MiB"
    return ""


def check(result: int, what: str) -> None:
    """Raise OSError if a function of the C library has failed."""
    if result:
        number = ctypes.get_errno()
        raise OSError(number, f"{what}: {os.strerror(number).lower()}")


def stage(mounts: "list[list[str]]") -> None:
    """Change what this process and those below it see of the file system: mount_namespaces(7).

    Each mount is [what, source, target]: ``show`` makes a folder visible elsewhere, read-only; ``share`` does so
    writable; ``memory`` lays an empty folder in memory over the target, with the source as options. All sources are
    opened first, because the target of one mount may hide the source of another.
    """
    check(LIBC.unshare(CLONE_NEWNS | CLONE_NEWIPC), "unshare")
    check(LIBC.mount(b"none", b"/", None, MS_REC | MS_PRIVATE, None), "mount /")
    opened = [os.open(source, os.O_PATH | os.O_CLOEXEC) if what != "memory" else -1 for what, source, _ in mounts]
    for (what, source, target), descriptor in zip(mounts, opened, strict=True):
        if what == "memory":
            check(LIBC.mount(b"tmpfs", target.encode(), b"tmpfs", 0, source.encode()), f"mount {target}")
            continue
        os.makedirs(target, exist_ok=True)  # noqa: PTH103
        here = f"/proc/self/fd/{descriptor}".encode()
        check(LIBC.mount(here, target.encode(), None, MS_BIND | MS_REC, None), f"mount {source}")
        if what == "show":
            check(LIBC.mount(None, target.encode(), None, MS_REMOUNT | MS_BIND | MS_RDONLY, None), f"mount {target}")
        os.close(descriptor)


def landlock_version() -> int:
    """Return the version of Landlock that the kernel has; 0 or less for none."""
    return int(LIBC.syscall(CREATE_RULESET, None, 0, 1))


def confine(readable: "list[str]", writable: "list[str]") -> None:
    """Restrict this process, and all that it starts, to these files and folders: landlock(7). Needs no privileges.

    Does nothing if the kernel has no Landlock.
    """
    version = landlock_version()
    if version < 1:
        return
    handled = ALL_RIGHTS | (REFER if version > 1 else 0)
    rules = LIBC.syscall(CREATE_RULESET, struct.pack("Q", handled), 8, 0)
    for path, rights in [*((path, READING) for path in readable), *((path, handled) for path in writable)]:
        try:
            descriptor = os.open(path, os.O_PATH | os.O_CLOEXEC)
        except OSError:
            continue
        wanted = rights if os.path.isdir(path) else rights & OF_FILES  # noqa: PTH112
        LIBC.syscall(ADD_RULE, rules, 1, struct.pack("=Qi", wanted, descriptor), 0)
        os.close(descriptor)
    LIBC.prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)
    check(LIBC.syscall(RESTRICT_SELF, rules, 0), "landlock")
    os.close(rules)


def start(order: "dict[str, object]") -> "subprocess.Popen[bytes] | None":
    """Start the command of the order, in a session of its own, with default signals."""

    def defaults() -> None:
        for number in (signal.SIGINT, signal.SIGQUIT, signal.SIGHUP, signal.SIGTERM):
            signal.signal(number, signal.SIG_DFL)
        be_seen()
        if isinstance(order["readable"], list):
            confine(order["readable"], order["writable"])  # type: ignore[arg-type]

    user = order["user"]
    descriptors = order["descriptors"]
    assert isinstance(descriptors, list)  # noqa: S101
    try:
        mounts = order["mounts"]
        if isinstance(mounts, list):
            stage(mounts)
        first = subprocess.Popen(
            order["command"], cwd=order["folder"], env=order["environment"],  # type: ignore[call-overload]
            stdin=descriptors[0], stdout=descriptors[1], stderr=descriptors[2],
            start_new_session=True, preexec_fn=defaults,
            user=user, group=user, extra_groups=None if user is None else [],
        )  # fmt: skip
    except OSError as error:
        say(f"failed {str(error.strerror).lower()}")
        return None
    for descriptor in set(descriptors):
        os.close(descriptor)
    say(f"started {first.pid}")
    return first  # type: ignore[no-any-return]


def be_seen() -> None:
    """Let us inspect this process (by default Yama forbids all tracing), and let the kernel kill it before ours.

    The kernel kills when memory runs out: proc(5), oom_score_adj. A process that has changed its user is protected at
    first.
    """
    LIBC.prctl(PR_SET_DUMPABLE, 1, 0, 0, 0)
    LIBC.prctl(PR_SET_PTRACER, ctypes.c_ulong(-1), 0, 0, 0)  # any process of the same user
    try:
        with open("/proc/self/oom_score_adj", "w") as file:
            file.write("1000")
    except OSError:
        pass


def killed_for_memory(file: str) -> int:
    """Read how many processes of our control group the kernel has killed because memory ran out."""
    try:
        with open(file) as events:
            found = re.search(r"^oom_kill (\d+)$", events.read(), re.MULTILINE)
            return int(found[1]) if found else 0
    except OSError:
        return 0


def keep(first: "subprocess.Popen[bytes]", order: "dict[str, object]", wake: int) -> None:
    """Reap processes that end, and watch what they use, until standard input ends."""
    kills = str(order["kills"])
    before = killed_for_memory(kills)
    watched = bool(order["memory"] or order["disk"])
    while True:
        readable, _, _ = select.select([0, wake], [], [], LOOK if watched else None)
        if wake in readable:
            os.read(wake, 4096)
            if not reap(first, lambda: killed_for_memory(kills) > before):
                say("gone")
        if 0 in readable and not os.read(0, 4096):
            return
        if watched and (what := excess(order)):
            say(f"over {what}")
            return


def read_line() -> bytes:
    """Read the first line of standard input, and nothing after it."""
    line = b""
    while not line.endswith(b"\n"):
        more = os.read(0, 65_536)
        if not more:
            sys.exit(1)  # the process that started us has gone
        line += more
    return line


def main() -> None:
    """Start the command, keep it until standard input ends, then end it all."""
    LIBC.prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
    order = json.loads(read_line())
    for number in (signal.SIGINT, signal.SIGHUP, signal.SIGTERM):
        signal.signal(number, signal.SIG_IGN)  # only the end of standard input ends it
    wake, woken = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
    signal.signal(signal.SIGCHLD, lambda *_: None)
    signal.set_wakeup_fd(woken, warn_on_full_buffer=False)
    first = start(order)
    if first:
        keep(first, order, wake)
        end_all(first, order["grace"], order["user"])


if __name__ == "__main__":
    main()

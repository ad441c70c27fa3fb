"""Inspection without Linux's /proc: processes, threads and connections, from psutil.

It does not show what a task is blocked in, the accept queue, or which task waits for which connection; the report says
so.
"""

from pathlib import Path

import psutil

from threadserver.core.address import Address
from threadserver.core.errors import KitError
from threadserver.inspection.finding import Found
from threadserver.inspection.report import Connection, Listener, Process, Report, Thread

LESS = (
    "what tasks are blocked in, the accept queue, and which task waits for which connection: "
    "only Linux shows these (/proc/PID/task/TID/syscall); run the server and the kit in a Linux virtual machine"
)


def has_proc() -> bool:
    """Tell whether this is Linux, with /proc mounted."""
    return Path("/proc/self/task").is_dir()


def names() -> dict[int, str]:
    """Return the name of every process."""
    return {process.pid: process.info["name"] or "" for process in psutil.process_iter(["name"])}


def find(target: str) -> Found:
    """Find a server by PID, ADDRESS or NAME, as `finding.find` does."""
    if target.isdecimal():
        if not psutil.pid_exists(int(target)):
            raise KitError(f"no such process: {target}")
        return Found(frozenset({int(target)}))
    if ":" in target:
        port = Address.parse(target).port
        pids = {pid for one in listening() for pid in one.pids if one.address.endswith(f":{port}")}
    else:
        pids = {pid for pid, name in names().items() if name == target}
    if not pids:
        raise KitError(f"no visible process is called, or listens at, {target}; try as root")
    return Found(frozenset(pids))


def inspect(found: Found) -> Report:
    """Report what psutil can see of a server and its descendants."""
    members = {pid: psutil.Process(pid) for pid in found.roots if psutil.pid_exists(pid)}
    for process in list(members.values()):
        members |= {child.pid: child for child in process.children(recursive=True)}
    report = Report([], [], [], [], [], [], [LESS])
    for process in members.values():
        try:
            _add(process, report)
        except psutil.Error as error:
            report.missing.append(f"process {process.pid}: {error}")
    return report


def listening() -> list[Listener]:
    """Return everything that listens, as far as psutil may see it."""
    found = []
    for process in psutil.process_iter():
        try:
            sockets = process.net_connections("tcp")
        except psutil.Error:
            continue
        found += [
            Listener(str(Address("tcp", *one.laddr)), 0, 0, None, [process.pid])
            for one in sockets
            if one.status == psutil.CONN_LISTEN
        ]
    return found


def _add(process: psutil.Process, report: Report) -> None:
    with process.oneshot():
        threads = [Thread(one.id, "", "", "unknown", "", []) for one in process.threads()]
        memory = process.memory_info().rss
        report.processes.append(
            Process(
                process.pid, process.ppid(), process.name(), process.status(), " ".join(process.cmdline()),
                process.username(), None, memory, process.num_fds(), threads,
            )
        )  # fmt: skip
        if process.status() == psutil.STATUS_ZOMBIE:
            report.zombies.append(process.pid)
    for one in process.net_connections("tcp"):
        local = str(Address("tcp", *one.laddr))
        if one.status == psutil.CONN_LISTEN:
            report.listeners.append(Listener(local, 0, 0, None, [process.pid]))
        elif one.raddr:
            peer = str(Address("tcp", *one.raddr))
            report.connections.append(Connection(local, peer, one.status, 0, 0, 0, [process.pid], []))

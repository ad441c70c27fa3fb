"""A server as a whole, at one moment: what `inspect` shows, and prints as JSON.

Names and command lines are kept here as the kernel tells them. Code that prints them calls `printable`.
"""

from collections.abc import Iterable
from contextlib import suppress
from dataclasses import asdict, dataclass, field
from typing import Any

from threadserver.inspection.descriptors import Descriptions, inode_of
from threadserver.inspection.finding import Found
from threadserver.kernel.look import Lens, Look
from threadserver.kernel.namespaces import Network, network_of
from threadserver.kernel.processes import STATES, details, everyone, family, links, status
from threadserver.kernel.sockets import Socket, Tables


@dataclass(slots=True)
class Thread:
    """A task, and the call that it is blocked in; ``what`` describes the call's descriptors in words."""

    tid: int
    name: str
    state: str
    call: str
    what: str
    sockets: list[int]


@dataclass(slots=True)
class Process:
    """A process with its threads. ``memory`` is its PSS in bytes."""

    pid: int
    parent: int
    name: str
    state: str
    command: str = ""
    user: str = ""
    inner_pid: int | None = None
    memory: int | None = None
    descriptors: int | None = None
    threads: list[Thread] = field(default_factory=list)


@dataclass(slots=True)
class Listener:
    """A listening socket: ``in_use`` connections wait in its backlog, and ``limit`` may (None: unknown)."""

    address: str
    inode: int
    in_use: int
    limit: int | None
    pids: list[int]


@dataclass(slots=True)
class Connection:
    """A connection that the server has, or that waits to be accepted (then ``pids`` is empty)."""

    local: str
    peer: str
    state: str
    inode: int
    unread: int
    unsent: int
    pids: list[int]
    tasks: list[str]
    """The tasks that wait for it, as PID/TID."""


@dataclass(slots=True)
class Report:
    """Everything that was seen. ``missing`` lists what was not, and what permission it needs."""

    processes: list[Process]
    listeners: list[Listener]
    connections: list[Connection]
    waiting: list[Connection]
    unread: list[Connection]
    zombies: list[int]
    missing: list[str]

    def as_json(self) -> dict[str, Any]:
        """Return the report as plain data."""
        return asdict(self)


def inspect(found: Found) -> Report:
    """Report on a server and all its descendants."""
    sockets = _sockets(family(found.roots, everyone()))
    look = Lens(set(found.roots), frozenset(one.inode for one in sockets.values() if one.listens)).look()
    held = {pid: links(pid) for pid in look.processes}
    owner_of = _owners(held)
    ours = {inode: sockets[inode] for inode in owner_of if inode in sockets}
    listeners = [one for one in ours.values() if one.listens]
    connections = [_connection(one, owner_of[one.inode], look) for one in ours.values() if _is_connection(one)]
    return Report(
        processes=[_process(pid, look, held[pid], sockets) for pid in look.processes],
        listeners=[_listener(one, owner_of[one.inode]) for one in listeners],
        connections=connections,
        waiting=[_connection(one, set(), look) for one in _waiting(listeners, look.processes)],
        unread=_unread(connections, look, {str(one.local) for one in sockets.values() if one.listens}),
        zombies=look.zombies,
        missing=_missing(look, held),
    )


def listening() -> list[Listener]:
    """Return everything that listens in our network namespace, with the processes that we may see."""
    all_processes = Lens({1}).look().processes  # every process descends from the first
    owner_of = _owners({pid: links(pid) for pid in all_processes})
    with Network() as network, Tables(network) as tables:
        found = [*tables.listeners(), *(one for one in tables.locals() if one.listens)]
    return [_listener(one, owner_of.get(one.inode, set())) for one in found]


def _owners(held: dict[int, dict[int, str]]) -> dict[int, set[int]]:
    owner_of: dict[int, set[int]] = {}
    for pid, descriptors in held.items():
        for link in descriptors.values():
            inode = inode_of(link)
            if inode is not None:
                owner_of.setdefault(inode, set()).add(pid)
    return owner_of


def _sockets(pids: Iterable[int]) -> dict[int, Socket]:
    """Return the sockets, by inode, of the network namespaces that these processes are in."""
    found: dict[int, Socket] = {}
    for one in _everything(pids):
        if one.inode:
            found[one.inode] = one
    return found


def _everything(pids: Iterable[int]) -> Iterable[Socket]:
    seen = set()
    for pid in pids:
        number = network_of(pid)
        if number and number not in seen:
            seen.add(number)
            with Network(pid) as network, Tables(network) as tables:
                yield from tables.all()


def _is_connection(one: Socket) -> bool:
    if one.scheme == "unix":
        return bool(one.source) and not one.listens
    return one.scheme == "tcp" and not one.listens


def _waiting(listeners: list[Socket], pids: Iterable[int]) -> list[Socket]:
    """Return the connections that no process has accepted yet."""
    ports = {(one.family, one.port) for one in listeners if one.scheme == "tcp"}
    names = {one.source for one in listeners if one.scheme == "unix"}
    return [
        one
        for one in _everything(pids)
        if one.queued and ((one.family, one.port) in ports or one.source in names)
    ] if ports or names else []  # fmt: skip


def _unread(connections: list[Connection], look: Look, listening_at: set[str]) -> list[Connection]:
    """Return the clients' connections that no task waits for, unless a task runs that may read them next."""
    busy = {task.pid for task in look.tasks.values() if task.running}
    ports = {address.rpartition(":")[2] for address in listening_at if address.startswith("tcp:")}
    return [
        one
        for one in connections
        if not one.tasks
        and not busy & set(one.pids)
        and (one.local in listening_at or one.local.rpartition(":")[2] in ports)
    ]


def _connection(one: Socket, pids: set[int], look: Look) -> Connection:
    waits = [f"{task.pid}/{task.tid}" for task in look.waiting_for(one.inode)] if one.inode else []
    return Connection(
        str(one.local), str(one.peer) if one.scheme == "tcp" else "unix:", one.state, one.inode, one.receive_queue,
        one.send_queue, sorted(pids), waits,
    )  # fmt: skip


def _listener(one: Socket, pids: set[int]) -> Listener:
    return Listener(str(one.local), one.inode, one.receive_queue, one.send_queue or None, sorted(pids))


def _process(pid: int, look: Look, held: dict[int, str], sockets: dict[int, Socket]) -> Process:
    seen = look.processes[pid]
    process = Process(pid, seen.parent, seen.name, STATES.get(seen.state, seen.state))
    with suppress(OSError, KeyError):
        more = details(pid)
        process.command, process.user, process.inner_pid = more.command, more.user, more.inner_pid
        process.memory, process.descriptors = more.proportional_memory, more.descriptors
    words = Descriptions(pid, held, sockets)
    for task in (task for task in look.tasks.values() if task.pid == pid):
        with suppress(OSError):
            now = status(pid, task.tid)
            process.threads.append(
                Thread(
                    task.tid, now.name, STATES.get(now.state, now.state), str(task.call), words.of_call(task.call),
                    sorted(task.sockets),
                )
            )  # fmt: skip
    return process


def _missing(look: Look, held: dict[int, dict[int, str]]) -> list[str]:
    found = []
    if look.hidden:
        found.append(
            "what some tasks are blocked in: /proc/PID/syscall needs permission to trace the process (run as its "
            "owner; as root where kernel.yama.ptrace_scope is 1; in a container, with SYS_PTRACE)"
        )
    blind = [pid for pid, descriptors in held.items() if not descriptors and look.processes[pid].alive]
    if blind:
        shown = ", ".join(map(str, blind[:5])) + (", …" if len(blind) > 5 else "")
        whose = f"process {shown}: it belongs" if len(blind) == 1 else f"processes {shown}: they belong"
        found.append(f"the descriptors of {whose} to another user (run as that user or as root)")
    return found

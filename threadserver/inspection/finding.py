"""Find the server that a person means: by process id, by address, or by name.

An address is looked up in the kernel's tables, never by connecting: that connection would already be a client.
"""

import ipaddress
import os
import re
import socket
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import PurePath

from threadserver.core.address import Address
from threadserver.core.errors import KitError, UsageError
from threadserver.kernel.calls import read_file
from threadserver.kernel.namespaces import Network
from threadserver.kernel.processes import Status, everyone, family, owners, remedy
from threadserver.kernel.sockets import Socket, Tables

LISTING = "run threadserver inspect without arguments to list the servers on this machine"
"""What to do next when a server was not found."""
_ANY = {b"\0" * 4, b"\0" * 16}


@dataclass(frozen=True, slots=True)
class Found:
    """The processes that a person means: ``roots`` and their descendants. ``listeners``: the sockets at an address."""

    roots: frozenset[int]
    listeners: tuple[Socket, ...] = ()


def find(target: str) -> Found:
    """Find a server by PID, ADDRESS or NAME. Raises KitError when there is none, UsageError for a bad target."""
    if not target:
        raise UsageError("nothing to inspect: give a PID, an ADDRESS or a NAME")
    if target.isdecimal():
        return by_pid(int(target))
    if "://" in target or target.startswith("unix:") or re.search(r":\d+$", target):
        with Network() as network, Tables(network) as tables:
            return by_address(Address.parse(target), tables)
    return by_name(target)


def by_pid(pid: int) -> Found:
    """Find a process by its id."""
    processes = everyone()
    if pid not in processes:
        raise KitError(f"no such process: {pid}; {LISTING}")
    if processes[pid].kernel:
        raise KitError(f"process {pid} ({processes[pid].name}) is a kernel thread: it runs no program")
    return Found(frozenset({pid}))


def by_name(name: str) -> Found:
    """Find processes by the name of the program, or of the script that an interpreter runs."""
    processes = everyone()
    named = {pid for pid, process in processes.items() if pid != os.getpid() and _is_called(pid, process, name)}
    if not named:
        raise KitError(f"no process is called {name!r}; {LISTING}")
    return Found(_topmost(named, processes))


def by_address(address: Address, tables: Tables) -> Found:
    """Find the processes that have the listening socket of an address."""
    listeners = listening_at(address, tables)
    if not listeners:
        raise KitError(nothing_listens(address))
    holders = holders_of(listeners)
    if not holders:
        raise KitError(hidden_process(address))
    return Found(roots_of(holders), tuple(listeners))


def nothing_listens(address: Address) -> str:
    """Return the message for an address without a server."""
    return f"nothing listens at {address}; {LISTING}"


def hidden_process(address: Address) -> str:
    """Return the message for an address whose server belongs to another user."""
    return f"a server listens at {address}, but you lack permission to inspect its process; {remedy()}"


def listening_at(address: Address, tables: Tables) -> list[Socket]:
    """Return the listening sockets that a connection to an address would reach; several with SO_REUSEPORT."""
    if address.scheme == "unix":
        return [one for one in tables.locals() if one.listens and one.source == address.path]
    if address.scheme != "tcp":
        raise UsageError(f"{address} is not a stream address: only tcp:// and unix:// servers have connections")
    hosts = {_raw(endpoint.sockaddr[0]) for endpoint in address.resolve()}
    at_port = [one for one in tables.listeners() if one.port == address.port]
    exactly = [one for one in at_port if _unmapped(one.source) in hosts]
    return exactly or [one for one in at_port if one.source in _ANY and _reaches(one, hosts)]


def holders_of(listeners: Iterable[Socket]) -> set[int]:
    """Return the processes of this machine that have a descriptor for any of the sockets."""
    held = owners((one.inode for one in listeners), everyone())
    return set().union(*held.values())


def roots_of(holders: set[int]) -> frozenset[int]:
    """Return the topmost of these processes. The common parent of several counts too, even if it holds no socket."""
    processes = everyone()
    roots = _topmost(holders, processes)
    parents = {processes[pid].parent for pid in roots if pid in processes}
    if len(roots) > 1 and len(parents) == 1 and not parents & ({0, 1} | _ancestors(os.getpid(), processes)):
        return frozenset(parents)
    return roots


def _ancestors(pid: int, processes: dict[int, Status]) -> set[int]:
    found = set()
    while pid in processes and pid not in found:
        found.add(pid)
        pid = processes[pid].parent
    return found


def _topmost(pids: set[int], processes: dict[int, Status]) -> frozenset[int]:
    below = {pid for top in pids for pid in family([top], processes)[1:]}
    return frozenset(pids - below) or frozenset(pids)


def _is_called(pid: int, process: Status, name: str) -> bool:
    words: list[str] = []
    with suppress(OSError):
        words = read_file(f"/proc/{pid}/cmdline").decode("utf-8", "replace").split("\0")[:3]
    return not process.kernel and (
        process.name == name or name in {PurePath(word).name for word in words if not word.startswith("-")}
    )


def _raw(host: str) -> bytes:
    return ipaddress.ip_address(host.partition("%")[0]).packed


def _unmapped(raw: bytes) -> bytes:
    return raw[12:] if len(raw) == 16 and raw.startswith(b"\0" * 10 + b"\xff\xff") else raw


def _reaches(listener: Socket, hosts: set[bytes]) -> bool:
    return listener.family == socket.AF_INET6 or any(len(host) == 4 for host in hosts)

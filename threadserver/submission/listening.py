"""Which processes of a group listen, and where: from the kernel's tables of their network namespaces."""

import random
import socket
from collections.abc import Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass

from threadserver.core.address import Address
from threadserver.core.errors import UsageError, reason
from threadserver.kernel.namespaces import Network, network_of
from threadserver.kernel.processes import owners
from threadserver.kernel.sockets import Socket, Tables

_STATIC = (20_000, 32_768)
"""Ports that Linux does not assign to outgoing connections: ip(7), ip_local_port_range."""


@dataclass(frozen=True, slots=True)
class Listening:
    """A listening socket that one of the processes holds."""

    socket: Socket
    pid: int

    @property
    def reachable(self) -> Address:
        """The address to connect to: the loopback address if the socket listens on all addresses."""
        local = self.socket.local
        if local.host == "0.0.0.0":
            return Address("tcp", "127.0.0.1", local.port)
        return Address("tcp", "::1", local.port) if local.host == "::" else local


def serves(one: Socket, address: Address) -> bool:
    """Tell whether a connection to an address arrives at this listening socket."""
    if one.scheme != "tcp" or one.port != address.port:
        return False
    everywhere = {"0.0.0.0", "::"} if "." in address.host else {"::"}
    return one.local.host in {address.host, *everywhere}


def listening(pids: Iterable[int]) -> Iterator[Listening]:
    """Find the listening stream sockets of processes; those of TCP first."""
    by_network: dict[int, list[int]] = {}
    for pid in pids:
        by_network.setdefault(network_of(pid), []).append(pid)
    for number, members in by_network.items():
        if not number:
            continue
        with Network(members[0]) as network, Tables(network) as tables:
            sockets = tables.listeners()
            sockets += [one for one in tables.locals() if one.listens and one.source]
        held = owners((one.inode for one in sockets), members)
        for one in sockets:
            if held[one.inode]:
                yield Listening(one, min(held[one.inode]))


def free_port(host: str) -> int:
    """Return a TCP port that is free now, and that no client's connection takes before the server has bound it.

    Raises UsageError when the host is not an address of this machine.
    """
    for port in random.sample(range(*_STATIC), 20):
        with suppress(OSError):
            return _bound(host, port)
    try:
        return _bound(host, 0)
    except OSError as error:
        raise UsageError(f"cannot use {host}: {reason(error)}") from error


def _bound(host: str, port: int) -> int:
    endpoint = Address("tcp", host, port).resolve(passive=True)[0]
    with socket.socket(endpoint.family, endpoint.type) as probe:
        probe.bind(endpoint.sockaddr)
        return int(probe.getsockname()[1])

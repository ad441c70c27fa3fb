"""The server under examination: its address, its processes, and the state of our connections in the kernel's tables."""

import errno
import os
import socket
from contextlib import suppress
from dataclasses import dataclass, field
from enum import Enum

from threadserver.core.address import Address
from threadserver.core.errors import KitError
from threadserver.inspection.finding import hidden_process, holders_of, listening_at, nothing_listens, roots_of
from threadserver.kernel.look import Lens, Look
from threadserver.kernel.namespaces import Network
from threadserver.kernel.processes import everyone, owners
from threadserver.kernel.sockets import Socket, Tables


class Phase(Enum):
    """How far a connection of ours has come."""

    KNOCKING = "not connected"
    DEFERRED = "held back by the kernel until its first bytes arrive"
    WAITING = "waits to be accepted"
    ACCEPTED = "accepted"
    GONE = "closed by the server"


MOST_KEPT = 65_536  # bytes kept of what a server sent on one connection
QUEUED = {Phase.KNOCKING, Phase.WAITING}


@dataclass(slots=True, eq=False)
class Held:
    """A connection that we hold open. ``spoken`` is true when something was sent on it."""

    number: int
    socket: socket.socket
    known: frozenset[object] = frozenset()
    """The processes and tasks that existed before it was opened, as PID or (PID, TID)."""
    phase: Phase = Phase.KNOCKING
    inode: int = 0
    """The inode of the server's end, once it has been accepted."""
    received: bytes = b""
    spoken: bool = False
    confirmed: bool = False

    def receive(self) -> bool:
        """Receive what has arrived, without waiting; True if anything has. At the end of input the phase is GONE."""
        before = len(self.received)
        try:
            while data := self.socket.recv(65_536):
                self.received = (self.received + data)[-MOST_KEPT:]
            self.phase = Phase.GONE
        except BlockingIOError:
            pass
        except OSError as error:
            if error.errno != errno.ENOTCONN:  # which only means that connect() is still under way
                self.phase = Phase.GONE
        return len(self.received) > before

    def send(self, data: bytes) -> None:
        """Send something, without waiting for a server that does not read."""
        with suppress(OSError):
            self.socket.send(data)
        self.spoken = True


@dataclass(slots=True)
class Subject:
    """A server under examination, with its processes (``lens``) and its listening sockets."""

    address: Address
    network: Network
    tables: Tables
    listeners: list[Socket]
    lens: Lens
    full: bool = False
    """True when the accept queue can take no more."""
    foreign: frozenset[int] = field(default_factory=frozenset)
    """The connections of other clients, by inode of the server's end."""
    _queues: int = 0
    """How many sockets listened at the port when the listeners were last looked for."""

    def connect(self, number: int) -> Held:
        """Begin a connection, without waiting for it. Raises KitError when it is refused at once."""
        endpoint = self.address.resolve()[0]
        target = endpoint.sockaddr
        if self.address.scheme == "unix" and self.network.pid and not self.address.path.startswith(b"\0"):
            target = f"/proc/{self.network.pid}/root{endpoint.sockaddr}"
        connection = self.network.make_socket(endpoint.family, endpoint.type, endpoint.protocol)
        connection.setblocking(False)
        try:
            connection.connect(target)
        except BlockingIOError:
            pass
        except OSError as error:
            connection.close()
            raise KitError(f"cannot connect to {self.address}: {os.strerror(error.errno or 0).lower()}") from error
        return Held(number, connection)

    def knock_again(self, held: list[Held]) -> bool:
        """Repeat connection requests that were dropped because many came at once; return True if any was.

        The kernel would repeat it, but only after a second (tcp(7), tcp_syn_retries). A queue that stays full is left
        alone: those connections wait.
        """
        if self.full or self.address.scheme == "unix":
            return False
        dropped = [one for one in held if one.phase is Phase.KNOCKING]
        for one in dropped:
            one.socket.close()
            one.socket = self.connect(one.number).socket
        return bool(dropped)

    def look(self, held: list[Held]) -> Look:
        """Look at the tasks, and bring the phases of our connections up to date."""
        self.update(held)
        return self.lens.look()

    def update(self, held: list[Held]) -> None:
        """Ask the kernel how far each of our connections has come."""
        for one in held:
            if one.phase is not Phase.GONE:
                one.receive()
        if self.address.scheme == "unix":
            self._update_local(held)
        else:
            self._update_internet(held)

    def owners(self, inodes: set[int]) -> dict[int, set[int]]:
        """Return the server's processes that have each socket."""
        return owners(inodes, self.lens.look().processes)

    def adopt_strangers(self, held: list[Held]) -> None:
        """Add the processes that have a connection of ours although they do not descend from a known process."""
        inodes = {one.inode for one in held if one.inode}
        for pids in owners(inodes, everyone()).values():
            self.lens.also |= pids - {os.getpid()}

    def _update_internet(self, held: list[Held]) -> None:
        ends: dict[int, Socket] = {}
        foreign: set[int] = set()
        queues = []
        for one in self.tables.at(self.address.port):
            if one.listens:
                queues.append(one)
            else:
                ends[one.peer_port] = one
                if one.inode and one.state == "ESTABLISHED":
                    foreign.add(one.inode)
        if len(queues) != self._queues:  # with SO_REUSEPORT each process adds a socket of its own, some a moment later
            self._queues = len(queues)
            self.listeners = listening_at(self.address, self.tables)
            self.lens.listeners = frozenset(one.inode for one in self.listeners)
        self.full = all(one.receive_queue > one.send_queue for one in queues)
        for mine in held:
            _advance(mine, ends.get(self._port(mine)))
            foreign.discard(mine.inode)
        self.foreign = frozenset(foreign)

    def _update_local(self, held: list[Held]) -> None:
        accepted: dict[int, int] = {}
        waiting: set[int] = set()
        foreign: set[int] = set()
        for one in self.tables.locals():
            if one.listens and one.source == self.address.path:
                waiting |= set(one.waiting_inodes)
            elif one.source == self.address.path and one.inode:
                accepted[one.peer_inode] = one.inode
                foreign.add(one.inode)
        for mine in held:
            own = os.fstat(mine.socket.fileno()).st_ino
            if own in accepted:
                mine.inode = accepted[own]
                mine.phase = Phase.GONE if mine.phase is Phase.GONE else Phase.ACCEPTED
            elif own in waiting:
                mine.phase = Phase.WAITING
            foreign.discard(mine.inode)
        self.foreign = frozenset(foreign)

    @staticmethod
    def _port(one: Held) -> int:
        with suppress(OSError):
            return int(one.socket.getsockname()[1])
        return -1


def _advance(one: Held, end: Socket | None) -> None:
    if one.phase is Phase.GONE or end is None:
        return
    if end.inode:
        one.phase, one.inode = Phase.ACCEPTED, end.inode
    elif end.state == "SYN_RECV":
        one.phase = Phase.DEFERRED
    elif end.queued:
        one.phase = Phase.WAITING


def subject(address: Address, network: Network, tables: Tables, keeper: int | None = None) -> Subject:
    """Return the server at an address; ``keeper`` is the process that it descends from, if that is known.

    Raises KitError when nothing listens there, or when we lack permission to inspect the process.
    """
    listeners = listening_at(address, tables)
    if not listeners:
        raise KitError(nothing_listens(address))
    roots = frozenset({keeper}) if keeper else frozenset()
    if not roots:
        holders = holders_of(listeners)
        if not holders:
            raise KitError(hidden_process(address))
        roots = roots_of(holders)
    lens = Lens(set(roots), frozenset(one.inode for one in listeners), keeper=keeper)
    return Subject(address, network, tables, listeners, lens)

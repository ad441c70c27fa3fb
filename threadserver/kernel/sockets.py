"""The kernel's socket tables: every socket of a network namespace, of every owner.

They are read over netlink (sock_diag(7)), which lists thousands of sockets in a few milliseconds, and which alone tells
the limit of a listening socket. If netlink is refused, /proc/PID/net/{tcp,tcp6,unix} tells the rest. Two fields have a
special meaning for a *listening* socket::

    receive queue   connections that are established and wait for accept()       backlog in use
    send queue      how many connections may wait                                backlog limit

A connection that waits there has no inode yet: it belongs to no process. So the tables show whether a connection has
been accepted, without touching the server. A socket with TCP_DEFER_ACCEPT even keeps a connection in SYN_RECV, out of
accept()'s reach, until its first bytes arrive (tcp(7)).
"""

import errno
import ipaddress
import re
import socket
import struct
from collections.abc import Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from threadserver.core.address import Address
from threadserver.kernel.namespaces import Network

TCP_STATES = (
    "", "ESTABLISHED", "SYN_SENT", "SYN_RECV", "FIN_WAIT1", "FIN_WAIT2", "TIME_WAIT", "CLOSE", "CLOSE_WAIT", "LAST_ACK",
    "LISTEN", "CLOSING", "SYN_RECV",
)  # fmt: skip
LISTEN = "LISTEN"
QUEUED = {"ESTABLISHED", "CLOSE_WAIT", "SYN_RECV"}
"""The states of a connection that waits for accept(): only its client can have closed."""

NETLINK_SOCK_DIAG = 4
SOCK_DIAG_BY_FAMILY = 20
NLM_F_REQUEST, NLM_F_DUMP = 0x1, 0x300
NLMSG_ERROR, NLMSG_DONE = 2, 3
NLMSG_HEADER = struct.Struct("=IHHII")
# struct inet_diag_msg: family, state, 2 unused, ports in network order, addresses, interface and cookie, expires,
# the queues, user, inode.
INTERNET = struct.Struct("=BBxx2s2s16s16s12x4xIIII")
# struct inet_diag_req_v2 for one socket: family, protocol, states, ports in network order, addresses, any interface.
ONE = struct.Struct(">BBxx4sHH16s16s4x8s")
# An attribute of the request: a program of two comparisons, each with a jump for yes and for no; a jump beyond the end
# means "no" (struct inet_diag_bc_op).
OWN_PORT = struct.Struct("=HH BBH xxH BBH xxH")
FILTER, AT_LEAST, AT_MOST = 1, 2, 3
EVERY_STATE, ONLY_LISTEN = b"\xff" * 4, struct.pack("=I", 1 << TCP_STATES.index(LISTEN))
NO_COOKIE = b"\xff" * 8
UNIX_SHOW = 0x1 | 0x4 | 0x8 | 0x10  # names, peers, waiting clients, lengths of queues
UNIX_NAME, UNIX_PEER, UNIX_WAITING, UNIX_QUEUES = 0, 2, 3, 4


@dataclass(slots=True, frozen=True)
class Socket:
    """One socket. ``source`` and ``destination`` are raw: bytes of an IP address, or of a local name."""

    inode: int
    family: int
    scheme: str
    state: str
    source: bytes
    port: int
    destination: bytes
    peer_port: int
    receive_queue: int
    send_queue: int
    peer_inode: int = 0
    waiting_inodes: tuple[int, ...] = ()
    """For a local listening socket: the sockets of the waiting clients."""

    @property
    def local(self) -> Address:
        """Its own address."""
        return self._address(self.source, self.port)

    @property
    def peer(self) -> Address:
        """The address of the other side."""
        return self._address(self.destination, self.peer_port)

    @property
    def listens(self) -> bool:
        """True for a socket that waits for connections."""
        return self.state == LISTEN

    @property
    def queued(self) -> bool:
        """True for a connection that no process has accepted yet. A closed connection has no inode either."""
        return not self.inode and self.state in QUEUED

    def _address(self, raw: bytes, port: int) -> Address:
        if self.scheme == "unix":
            return Address("unix", path=raw)
        name = (socket.inet_ntop(self.family, raw), port)
        return Address.of(self.family, name, self.scheme)


class Tables:
    """Reads the socket tables of one network namespace, as often as you like. Use it in a ``with`` block."""

    def __init__(self, network: Network) -> None:
        self.network = network
        self._netlink: socket.socket | None = None
        self.complete = True
        """False where netlink was refused: then the limits of listening sockets and local peers are unknown."""
        try:
            self._netlink = network.make_socket(socket.AF_NETLINK, socket.SOCK_RAW, NETLINK_SOCK_DIAG)
        except Exception:  # noqa: BLE001
            self.complete = False

    def streams(self) -> list[Socket]:
        """Return every TCP socket, IPv4 and IPv6."""
        return self._internet("tcp")

    def at(self, port: int) -> list[Socket]:
        """Return every TCP socket whose own port this is. The kernel selects them, so other sockets cost nothing."""
        return [one for one in self._internet("tcp", filters=_own_port(port)) if one.port == port]

    def listeners(self) -> list[Socket]:
        """Return every TCP socket that listens. Others, such as thousands in TIME_WAIT, cost nothing."""
        return [one for one in self._internet("tcp", states=ONLY_LISTEN) if one.listens]

    def stream(self, local: Address, peer: Address) -> Socket | None:
        """Return the TCP socket with these addresses, much faster than a list of all; None when there is none."""
        if self._netlink:
            with suppress(OSError):
                return self._ask_for_one(local, peer)
        self.complete = False
        found = (one for one in self.streams() if (one.port, one.peer_port) == (local.port, peer.port))
        return next((one for one in found if (one.local, one.peer) == (local, peer)), None)

    def datagrams(self) -> list[Socket]:
        """Return every UDP socket, IPv4 and IPv6."""
        return self._internet("udp")

    def locals(self) -> list[Socket]:
        """Return every local (AF_LOCAL) stream socket."""
        if self._netlink:
            with suppress(OSError):
                request = struct.pack(
                    "=BBHIIIII", socket.AF_UNIX, 0, 0, 0xFFFFFFFF, 0, UNIX_SHOW, 0xFFFFFFFF, 0xFFFFFFFF
                )
                return [_local_socket(body) for body in self._dump(request) if body[1] != socket.SOCK_DGRAM]
        return list(_from_unix_text(self._text("unix")))

    def all(self) -> list[Socket]:
        """Return every socket of the namespace."""
        return [*self.streams(), *self.datagrams(), *self.locals()]

    def close(self) -> None:
        """Close the netlink socket."""
        if self._netlink:
            self._netlink.close()

    def __enter__(self) -> "Tables":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _internet(self, scheme: str, states: bytes = EVERY_STATE, filters: bytes = b"") -> list[Socket]:
        if self._netlink:
            with suppress(OSError):
                families = (socket.AF_INET, socket.AF_INET6)
                return [found for family in families for found in self._ask(family, scheme, states, filters)]
        self.complete = False
        return [
            found
            for family, suffix in ((socket.AF_INET, ""), (socket.AF_INET6, "6"))
            for found in _from_text(self._text(scheme + suffix), family, scheme)
        ]

    def _ask(self, family: int, scheme: str, states: bytes, filters: bytes) -> Iterator[Socket]:
        protocol = socket.IPPROTO_TCP if scheme == "tcp" else socket.IPPROTO_UDP
        request = struct.pack("=BBBB4s48x", family, protocol, 0, 0, states) + filters
        for body in self._dump(request):
            yield _internet_socket(body, scheme)

    def _ask_for_one(self, local: Address, peer: Address) -> Socket | None:
        assert self._netlink is not None  # noqa: S101
        raw = [ipaddress.ip_address(address.host).packed for address in (local, peer)]
        family = socket.AF_INET if len(raw[0]) == 4 else socket.AF_INET6
        request = ONE.pack(family, socket.IPPROTO_TCP, EVERY_STATE, local.port, peer.port, *raw, NO_COOKIE)
        header = NLMSG_HEADER.pack(NLMSG_HEADER.size + len(request), SOCK_DIAG_BY_FAMILY, NLM_F_REQUEST, 0, 0)
        self._netlink.send(header + request)
        data = self._netlink.recv(4096)
        kind, body = NLMSG_HEADER.unpack_from(data)[1], data[NLMSG_HEADER.size :]
        if kind != NLMSG_ERROR:
            found = _internet_socket(body, "tcp")
            return found if found.peer_port == peer.port else None  # otherwise it is the listening socket
        if -struct.unpack_from("=i", body)[0] != errno.ENOENT:
            raise OSError(-struct.unpack_from("=i", body)[0], "the kernel refused to show a socket")
        return None

    def _dump(self, request: bytes) -> list[bytes]:
        """Request a dump; return the body of each message. Raises OSError when the kernel refuses."""
        assert self._netlink is not None  # noqa: S101
        length = NLMSG_HEADER.size + len(request)
        self._netlink.send(NLMSG_HEADER.pack(length, SOCK_DIAG_BY_FAMILY, NLM_F_REQUEST | NLM_F_DUMP, 0, 0) + request)
        found: list[bytes] = []
        while True:
            data = self._netlink.recv(1 << 18)
            offset = 0
            while offset + NLMSG_HEADER.size <= len(data):
                length, kind, *_ = NLMSG_HEADER.unpack_from(data, offset)
                if kind == NLMSG_DONE:
                    return found
                body = data[offset + NLMSG_HEADER.size : offset + length]
                if kind == NLMSG_ERROR:
                    raise OSError(-struct.unpack_from("=i", body)[0], "the kernel refused to list its sockets")
                found.append(body)
                offset += (length + 3) & ~3

    def _text(self, name: str) -> list[str]:
        try:
            return (
                Path(f"/proc/{self.network.pid or 'self'}/net/{name}")
                .read_text("utf-8", "surrogateescape")
                .splitlines()
            )
        except OSError:
            return []


def _own_port(port: int) -> bytes:
    return OWN_PORT.pack(OWN_PORT.size, FILTER, AT_LEAST, 8, 20, port, AT_MOST, 8, 12, port)


def _internet_socket(body: bytes, scheme: str) -> Socket:
    family, state, port, peer_port, source, destination, received, sent, _, inode = INTERNET.unpack_from(body)
    size = 4 if family == socket.AF_INET else 16
    return Socket(
        inode, family, scheme, TCP_STATES[state], source[:size], int.from_bytes(port, "big"), destination[:size],
        int.from_bytes(peer_port, "big"), received, sent,
    )  # fmt: skip


def _local_socket(body: bytes) -> Socket:
    state, inode = body[2], struct.unpack_from("=I", body, 4)[0]
    name, peer, waiting, queues = b"", 0, (), (0, 0)
    offset = 16
    while offset + 4 <= len(body):
        length, kind = struct.unpack_from("=HH", body, offset)
        value = body[offset + 4 : offset + length]
        if kind == UNIX_NAME:
            name = value if value.startswith(b"\0") else value.rstrip(b"\0")
        elif kind == UNIX_PEER:
            (peer,) = struct.unpack("=I", value)
        elif kind == UNIX_WAITING:
            waiting = struct.unpack(f"={len(value) // 4}I", value)
        elif kind == UNIX_QUEUES:
            queues = struct.unpack("=II", value)
        offset += max((length + 3) & ~3, 4)
    return Socket(inode, socket.AF_UNIX, "unix", TCP_STATES[state], name, 0, b"", 0, *queues, peer, waiting)


def _from_text(lines: Iterable[str], family: int, scheme: str) -> Iterator[Socket]:
    """Read /proc/net/tcp and its like; addresses are words of 32 bits in the machine's order (proc(5))."""
    for line in list(lines)[1:]:
        fields = line.split()
        (source, port), (destination, peer_port) = (_text_address(field) for field in fields[1:3])
        sent, received = (int(number, 16) for number in fields[4].split(":"))
        state = TCP_STATES[int(fields[3], 16)]
        yield Socket(int(fields[9]), family, scheme, state, source, port, destination, peer_port, received, sent)


def _text_address(field: str) -> tuple[bytes, int]:
    host, port = field.split(":")
    words = [int(host[i : i + 8], 16) for i in range(0, len(host), 8)]
    return struct.pack(f"={len(words)}I", *words), int(port, 16)


def _from_unix_text(lines: Iterable[str]) -> Iterator[Socket]:
    for line in list(lines)[1:]:
        fields = re.split(r" +", line.strip(), maxsplit=7)
        if len(fields) < 7 or int(fields[4], 16) == socket.SOCK_DGRAM:
            continue
        name = fields[7].encode("utf-8", "surrogateescape") if len(fields) > 7 else b""
        name = b"\0" + name[1:] if name.startswith(b"@") else name
        accepts = int(fields[3], 16) & 0x10000  # __SO_ACCEPTCON
        state = LISTEN if accepts else "ESTABLISHED"
        yield Socket(int(fields[6]), socket.AF_UNIX, "unix", state, name, 0, b"", 0, 0, 0)

"""Matching: which records are the two ends of one connection, and which recv() received which send().

A trace holds calls on sockets, and each socket is one end. The other end is found by what both have in common: first
the client's address, which is unique while a TCP connection lasts; then the connection's number, which HELLO tells the
client. If neither is known (local clients have no address, and there may be no HELLO), the order of the queue decides,
which is first in, first out, as long as no two clients came at once. Ends that match nothing stay apart.

TCP keeps no message boundaries: one recv() may take the bytes of many sends, and one send may need many recv(). So
sends and receipts are compared as two views of one stream, and belong together where they overlap.
"""

import re
from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from itertools import pairwise

from threadserver.core.trace import Record


@dataclass
class Connection:
    """The calls on the two ends of one connection, in order of time; an end that was not recorded has none."""

    number: int | None = None
    client: list[Record] = field(default_factory=list)
    server: list[Record] = field(default_factory=list)

    @property
    def connect(self) -> Record | None:
        """Step 5: the client asks for a connection."""
        return _first(self.client, "5")

    @property
    def connected(self) -> Record | None:
        """Step 7: the client is connected."""
        return _first(self.client, "7")

    @property
    def accepted(self) -> Record | None:
        """Step 8: the server has a socket for it."""
        return _first(self.server, "8")


def failed(record: Record) -> bool:
    """Tell whether a call failed."""
    return bool(record.result and record.result.startswith("failed:"))


def listeners(records: Iterable[Record]) -> dict[str, list[Record]]:
    """Return the calls on each listening socket, by the socket's name."""
    calls = _by_socket(record for record in records if record.side == "server")
    return {name: own for name, own in calls.items() if not _was_accepted(own)}


def connections(records: Iterable[Record]) -> list[Connection]:
    """Return the connections, with their ends paired, in the order in which they began."""
    calls = _by_socket(records).values()
    clients = [Connection(_number(own), client=own) for own in calls if own[0].side == "client"]
    servers = [Connection(_number(own), server=own) for own in calls if _was_accepted(own)]
    for same in (_same_address, _same_number):
        for client in clients:
            _join(client, [server for server in servers if same(client, server)], servers)
    _join_in_order([client for client in clients if client.connected and not client.server], servers)
    return sorted(clients + servers, key=lambda connection: (connection.client or connection.server)[0].begin)


def receipts(sends: Iterable[Record], receives: Iterable[Record]) -> Iterator[tuple[Record, Record]]:
    """Yield each recv() that returned data with every send whose bytes it took, in the order of the stream."""
    waiting = [(send, _size(send)) for send in sends if not failed(send)]
    for receive in receives:
        wanted = _size(receive)
        while waiting and wanted > 0 and waiting[0][0].begin <= receive.time:
            send, left = waiting[0]
            yield send, receive
            if left > wanted:
                waiting[0] = (send, left - wanted)
            else:
                del waiting[0]
            wanted -= left


def sent(records: Iterable[Record]) -> list[Record]:
    """Return the calls that sent something."""
    return [record for record in records if record.call in ("send", "sendall")]


def received(records: Iterable[Record]) -> list[Record]:
    """Return the calls that received something."""
    return [record for record in records if record.call == "recv" and record.result and not failed(record)]


def received_end(records: Iterable[Record]) -> list[Record]:
    """Return the calls that saw the end of input."""
    return [record for record in records if record.call == "recv" and record.result == ""]


def _by_socket(records: Iterable[Record]) -> dict[str, list[Record]]:
    calls: dict[str, list[Record]] = defaultdict(list)
    for record in sorted(records, key=lambda record: record.begin):
        calls[record.socket].append(record)
    return calls


def _join(client: Connection, candidates: list[Connection], servers: list[Connection]) -> None:
    """Join a client's end with the first server's end that fits, and take that one off the list."""
    for server in candidates if client.connect and not client.server else ():
        if server.accepted and client.connect and server.accepted.time < client.connect.begin:
            continue  # the port, or the number, of an earlier connection
        client.server, client.number = server.server, server.number or client.number
        servers[:] = [other for other in servers if other is not server]
        return


def _same_address(client: Connection, server: Connection) -> bool:
    local = client.client[-1].local
    return local is not None and local not in ("unix:", "") and local == server.server[0].peer


def _same_number(client: Connection, server: Connection) -> bool:
    return client.number is not None and client.number == server.number


def _join_in_order(clients: list[Connection], servers: list[Connection]) -> None:
    """Pair local clients that have no name with the connections that accept() took, if their order leaves no doubt."""
    queue = [client for client in clients if client.number is None and client.client[-1].local == "unix:"]
    queue.sort(key=lambda client: _span(client)[0])
    taken = [server for server in servers if server.accepted and server.server[0].peer == "unix:"]
    taken.sort(key=lambda server: server.server[0].time)
    at_once = any(_span(one)[1] > _span(following)[0] for one, following in pairwise(queue))
    if len(queue) == len(taken) and not at_once:
        for client, server in zip(queue, taken, strict=True):
            _join(client, [server], servers)


def _span(client: Connection) -> tuple[float, float]:
    """Return the two moments between which a client's request entered the queue."""
    return (client.connect or client.client[0]).begin, (client.connected or client.client[-1]).time


def _was_accepted(calls: Iterable[Record]) -> bool:
    """Tell whether a socket is the server's end of a connection: it has a peer."""
    return any(record.side == "server" and record.peer for record in calls)


def _first(records: Iterable[Record], step: str) -> Record | None:
    return next((record for record in records if record.step == step), None)


def _number(records: Iterable[Record]) -> int | None:
    return next((record.connection for record in records if record.connection), None)


def _size(record: Record) -> int:
    """Return how many bytes a call moved, judging by how a record shows them."""
    text = record.arguments if record.call != "recv" else record.result or ""
    shortened = re.search(r"… \((\d+) bytes\)$", text)
    return int(shortened[1]) if shortened else len(text.replace(r"\n", "\n").replace(r"\r", "\r").encode())

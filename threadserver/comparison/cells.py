"""The loads of a comparison: a cell is one workload over a number of connections.

`threadserver.clients.load.workloads` says what each workload asks of a server; here is what a comparison uses it for.
"""

from collections.abc import Iterable
from dataclasses import dataclass

from threadserver.clients.load import WORKLOADS
from threadserver.clients.load.workloads import CONNECTION_PER_REQUEST
from threadserver.core.errors import UsageError

TITLES = {
    "echo": "a line comes back",
    "churn": "connect, one line, close",
    "idle": "silent connections",
    "sleep": "a back end that blocks",
    "spin": "computing",
    "slow": "a few slow clients among fast ones",
    "octets": "the classic table of server designs",
}
MILLISECONDS = {"sleep": 10, "spin": 5}
"""Milliseconds requested from these services: as slow as a disk, and enough computing to dwarf the rest."""
OCTETS = 4000
"""Bytes of an `octets` answer, as in the book."""
CLASSIC = "octets"
"""The workload of the book's table of server designs."""
SLOW_CLIENTS = 4
TOUR = {
    "idle": (100,), "echo": (1, 8, 100), "churn": (8,), "slow": (8,), "sleep": (8,), "spin": (8,), "octets": (10,),
}  # fmt: skip
"""The workloads of a tour, each with its numbers of connections: eight, as the kit's pools have enough workers for
these, but ten for `octets`, as in the book."""
CLOSED_ONLY = (*CONNECTION_PER_REQUEST, "idle")
"""Workloads without a rate: each client asks again as soon as it has its answer."""


@dataclass(frozen=True, slots=True, order=True)
class Cell:
    """One workload over a number of connections, and in open loop at a rate: a cell of the comparison."""

    workload: str
    connections: int
    rate: float | None = None

    def __str__(self) -> str:
        connections = "1 connection" if self.connections == 1 else f"{self.connections:,} connections".replace(",", " ")
        return f"{self.workload}, {connections}" + (f", {self.rate:g} requests/s" if self.rate else "")


def cells(workloads: Iterable[str], connections: Iterable[int], rate: float | None = None) -> list[Cell]:
    """Return the requested cells; defaults are those of the tour.

    Raises UsageError for an unknown workload, in one line that lists the known ones.
    """
    found = []
    for name in workloads or TOUR:
        if name not in WORKLOADS:
            raise UsageError(f"unknown workload {name!r}: there are {', '.join(WORKLOADS)}")
        if rate and name in CLOSED_ONLY and workloads:
            why = "its clients stay silent" if name == "idle" else "its clients ask again after each answer"
            raise UsageError(f"{name} takes no rate: {why}")
        own = None if name in CLOSED_ONLY else rate
        found += [Cell(name, count, own) for count in tuple(connections) or TOUR[name]]
    return list(dict.fromkeys(found))

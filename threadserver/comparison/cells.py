"""Workloads as a comparison uses them: a cell is one workload over so many connections, and what its figure is.

The load generator knows what is asked (`threadserver.clients.load.workloads`). Here is what each is asked for.
"""

from collections.abc import Iterable
from dataclasses import dataclass

from threadserver.clients.load import WORKLOADS
from threadserver.clients.load.workloads import CONNECTION_PER_REQUEST
from threadserver.core.errors import UsageError

TITLES = {
    "echo": "a line comes back",
    "churn": "connect, one line, close",
    "idle": "connections that are silent",
    "sleep": "a back end that blocks",
    "spin": "computing",
    "slow": "a few slow clients among fast ones",
    "octets": "the classic table of server designs",
}
MILLISECONDS = {"sleep": 10, "spin": 5}
"""What is asked of these services: a back end as slow as a disk, and computing enough to dwarf the rest."""
OCTETS = 4000
"""Bytes of an answer of `octets`, as in the book."""
CLASSIC = "octets"
"""The workload of the book's table of server designs."""
SLOW_CLIENTS = 4
TOUR = {
    "idle": (100,), "echo": (1, 8, 100), "churn": (8,), "slow": (8,), "sleep": (8,), "spin": (8,), "octets": (10,),
}  # fmt: skip
"""The workloads of a tour, each with its connections: eight, for which the kit's pools have workers enough, but for
`octets` ten, as in the book."""
CLOSED_ONLY = (*CONNECTION_PER_REQUEST, "idle")
"""Workloads that have no rate: each client asks as soon as it was answered."""


@dataclass(frozen=True, slots=True, order=True)
class Cell:
    """One workload over so many connections, and in open loop at a rate: what contestants are compared in."""

    workload: str
    connections: int
    rate: float | None = None

    def __str__(self) -> str:
        connections = "1 connection" if self.connections == 1 else f"{self.connections:,} connections".replace(",", " ")
        return f"{self.workload}, {connections}" + (f", {self.rate:g} requests/s" if self.rate else "")


def cells(workloads: Iterable[str], connections: Iterable[int], rate: float | None = None) -> list[Cell]:
    """Give the cells that were asked for; what was left open is as in the tour.

    Raises UsageError for an unknown workload, in one line that lists what there is.
    """
    found = []
    for name in workloads or TOUR:
        if name not in WORKLOADS:
            raise UsageError(f"unknown workload {name!r}: there are {', '.join(WORKLOADS)}")
        if rate and name in CLOSED_ONLY and workloads:
            why = "its clients only stay" if name == "idle" else "its clients ask as soon as they were answered"
            raise UsageError(f"{name} has no rate: {why}")
        own = None if name in CLOSED_ONLY else rate
        found += [Cell(name, count, own) for count in tuple(connections) or TOUR[name]]
    return list(dict.fromkeys(found))

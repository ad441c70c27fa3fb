"""The classic table of server designs, measured again: what each costs over a server that has no process control.

W. R. Stevens, B. Fenner, A. Rudoff: UNIX Network Programming, volume 1, third edition (2003), chapter 30, figure 30.1:
CPU seconds over the iterative server for 5000 connections, on each of which one line asks for 4000 bytes; ten clients
at a time, a pool of fifteen. The book's servers are in C, on one processor of its time, so only the order can be
compared, never the seconds.
"""

from dataclasses import dataclass
from itertools import combinations

from threadserver.comparison.intervals import Estimate, paired_difference
from threadserver.comparison.summary import Summary
from threadserver.comparison.workloads import Cell

CONNECTIONS = 5000
"""So many connections the seconds are for."""
BASELINE = "iterative"


@dataclass(frozen=True, slots=True)
class Design:
    """One row of the book's table."""

    row: int
    title: str
    seconds: float
    """CPU seconds over the iterative server that the book found."""
    model: str | None
    """The kit's model of this design; None: it has none."""


TABLE = (
    Design(0, "iterative server (baseline)", 0.0, "iterative"),
    Design(1, "concurrent, one fork for each client", 20.90, "fork"),
    Design(2, "prefork, each child calls accept", 1.80, "prefork"),
    Design(3, "prefork, file locking around accept", 2.07, None),
    Design(4, "prefork, mutex around accept", 1.75, None),
    Design(5, "prefork, parent passes the descriptor", 2.58, None),
    Design(6, "concurrent, one thread for each client", 0.99, "thread"),
    Design(7, "prethreaded, mutex around accept", 1.93, "prethreaded"),
    Design(8, "prethreaded, main thread accepts", 2.05, "pool"),
)


@dataclass(frozen=True, slots=True)
class Order:
    """How the book's order of two designs fares today."""

    cheaper: Design
    dearer: Design
    holds: bool | None
    """None: the rounds cannot tell."""


def cell_of(summary: Summary) -> Cell | None:
    """Find the cell that the table is made of."""
    return next((cell for cell in summary.cells if cell.workload == "octets"), None)


def today(summary: Summary, name: str, cell: Cell) -> Estimate | None:
    """Give CPU seconds over the baseline for `CONNECTIONS` connections; None where either was not measured."""
    return paired_difference(_seconds(summary, name, cell), _seconds(summary, BASELINE, cell))


def orders(summary: Summary, cell: Cell) -> list[Order]:
    """Take each pair of designs that both know, the baseline left out, and see whether the book's order holds."""
    known = [design for design in TABLE[1:] if design.model and summary.values("cpu", design.model, cell)]
    found = []
    for pair in combinations(known, 2):
        cheaper, dearer = sorted(pair, key=lambda design: design.seconds)
        verdict = summary.compare("cpu", str(cheaper.model), str(dearer.model), cell)
        found.append(Order(cheaper, dearer, verdict.word == "less" if verdict and verdict.claims else None))
    return found


def _seconds(summary: Summary, name: str, cell: Cell) -> dict[int, float]:
    return {number: CONNECTIONS * value for number, value in summary.values("cpu", name, cell).items()}

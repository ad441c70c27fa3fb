"""The classic table of server designs, measured again: what each costs beyond a server without process control.

W. R. Stevens, B. Fenner, A. Rudoff: UNIX Network Programming, volume 1, third edition (2003), chapter 30, figure 30.1:
CPU seconds beyond the iterative server's for 5000 connections, each with one request for 4000 bytes; ten clients at a
time, a pool of fifteen. The book's servers are written in C and ran on one processor of their time, so only the order
can be compared, never the seconds.
"""

from dataclasses import dataclass
from itertools import combinations

from threadserver.comparison.cells import CLASSIC, Cell
from threadserver.comparison.intervals import Estimate, paired_difference
from threadserver.comparison.summary import Summary
from threadserver.core import models

CONNECTIONS = 5000
"""Number of connections that the seconds refer to."""
BASELINE = "iterative"


@dataclass(frozen=True, slots=True)
class Design:
    """One row of the book's table."""

    row: int
    title: str
    seconds: float
    """The book's CPU seconds beyond the iterative server's."""
    model: str
    """The kit's model of this design, or a variant of a model."""


TABLE = (
    Design(0, "iterative server (baseline)", 0.0, "iterative"),
    Design(1, "concurrent, one fork for each client", 20.90, "fork"),
    Design(2, "prefork, each child calls accept", 1.80, "prefork"),
    Design(3, "prefork, file locking around accept", 2.07, "prefork/file-lock"),
    Design(4, "prefork, mutex around accept", 1.75, "prefork/mutex"),
    Design(5, "prefork, parent passes the descriptor", 2.58, "pool/parent-passes"),
    Design(6, "concurrent, one thread for each client", 0.99, "thread"),
    Design(7, "prethreaded, mutex around accept", 1.93, "prethreaded/in-turns"),
    Design(8, "prethreaded, main thread accepts", 2.05, "pool"),
)


@dataclass(frozen=True, slots=True)
class Order:
    """Whether the book's order of two designs holds today."""

    cheaper: Design
    dearer: Design
    holds: bool | None
    """None: too few rounds to judge."""


def variants() -> list[str]:
    """Return the designs that are variants of the kit's models; the student edition has none."""
    return [design.model for design in TABLE if design.model in models.variants()]


def cell_of(summary: Summary) -> Cell | None:
    """Return the cell of the table, or None."""
    return next((cell for cell in summary.cells if cell.workload == CLASSIC), None)


def today(summary: Summary, name: str, cell: Cell) -> Estimate | None:
    """Return CPU seconds beyond the baseline for `CONNECTIONS` connections; None if either was not measured."""
    return paired_difference(_seconds(summary, name, cell), _seconds(summary, BASELINE, cell))


def orders(summary: Summary, cell: Cell) -> list[Order]:
    """Return for each pair of measured designs, without the baseline, whether the book's order holds."""
    known = [design for design in TABLE[1:] if summary.values("cpu", design.model, cell)]
    found = []
    for cheaper, dearer in combinations(sorted(known, key=lambda design: design.seconds), 2):
        verdict = summary.compare("cpu", cheaper.model, dearer.model, cell)
        found.append(Order(cheaper, dearer, verdict.word == "less" if verdict and verdict.claims else None))
    return found


def _seconds(summary: Summary, name: str, cell: Cell) -> dict[int, float]:
    return {number: CONNECTIONS * value for number, value in summary.values("cpu", name, cell).items()}

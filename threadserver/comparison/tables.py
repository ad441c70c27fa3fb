"""The tables behind the pictures, as rows of plain values, for CSV files."""

import csv
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from threadserver.comparison import classic_table
from threadserver.comparison.intervals import Estimate
from threadserver.comparison.summary import FIGURES, Summary

Row = tuple[str | float | int | None, ...]


class Table(NamedTuple):
    """A table with the name of its file."""

    name: str
    head: tuple[str, ...]
    rows: list[Row]


def tables(summary: Summary) -> list[Table]:
    """Return every table, including those without rows."""
    return [
        Table("figures", (*_CELL, "model", "figure", "unit", *_ESTIMATE), list(_figures(summary))),
        Table("comparisons", (*_CELL, "figure", "model", "compared to", *_RATIO, "verdict"),
              list(_comparisons(summary))),
        Table("octets", ("row", "design", "model", "book, CPU seconds", "today, CPU seconds", "low", "high"),
              list(_octets(summary))),
        Table("octets-order", ("cheaper in the book", "dearer in the book", "today"), list(_orders(summary))),
        Table("faults", ("model", *_CELL, "outcome", "why", "output"), list(_faults(summary))),
    ]  # fmt: skip


def write(summary: Summary, folder: Path) -> None:
    """Write each table with rows as a CSV file; remove the older files of the others."""
    for table in tables(summary):
        path = folder / f"{table.name}.csv"
        path.unlink(missing_ok=True)
        if not table.rows:
            continue
        with path.open("w", newline="", encoding="utf-8") as file:
            writer = csv.writer(file)
            writer.writerow(table.head)
            writer.writerows(table.rows)


_CELL = ("workload", "connections", "rate")
_ESTIMATE = ("median", "low", "high", "rounds", "generator limited")
_RATIO = ("ratio", "low", "high", "rounds")


def _values(found: Estimate) -> Row:
    bounds = (found.low, found.high) if found.bounded else (None, None)
    return (found.median, *bounds, found.rounds)


def _figures(summary: Summary) -> Iterator[Row]:
    for cell in summary.cells:
        for name in summary.results.names:
            limited = "yes" if summary.limited(name, cell) else ""
            for key, figure in FIGURES.items():
                found = summary.estimate(key, name, cell)
                if found and (key != "overlap" or cell.workload in ("sleep", "spin")):
                    where = (cell.workload, cell.connections, cell.rate, name, figure.title, figure.unit)
                    yield (*where, *_values(found), limited)


def _comparisons(summary: Summary) -> Iterator[Row]:
    for cell in summary.cells:
        for key in ("throughput", "p99", "cpu", "memory"):
            names = [name for name, _ in summary.ranking(key, cell)]
            for at, one in enumerate(names):
                for other in names[at + 1 :]:
                    verdict = summary.compare(key, one, other, cell)
                    if verdict:
                        where = (cell.workload, cell.connections, cell.rate, FIGURES[key].title, one, other)
                        yield (*where, *_values(verdict.ratio), verdict.word)


def _octets(summary: Summary) -> Iterator[Row]:
    cell = classic_table.cell_of(summary)
    if cell is None:
        return
    for design in classic_table.TABLE:
        found = classic_table.today(summary, design.model, cell)
        today = _values(found)[:3] if found else (None, None, None)
        yield (design.row, design.title, design.model, design.seconds, *today)


def _orders(summary: Summary) -> Iterator[Row]:
    cell = classic_table.cell_of(summary)
    for order in classic_table.orders(summary, cell) if cell else ():
        word = {True: "holds", False: "reversed", None: "unclear"}[order.holds]
        yield order.cheaper.model, order.dearer.model, word


def _faults(summary: Summary) -> Iterator[Row]:
    for run in summary.faults():
        where = (run.contestant, run.cell.workload, run.cell.connections, run.cell.rate)
        yield (*where, run.outcome, run.why, run.output)

"""A sequence: the steps of a trace as rows between lifelines, no row before the one that caused it.

A row's time is when its call was made; for a row that shows only a recv(), when that returned. All processes of a
machine share the records' clock, and nothing arrives before it is sent, so each cause comes before its effect.
`opening` explains how the few steps that no call shows are placed.
"""

from collections.abc import Collection, Iterable
from dataclasses import dataclass, replace

from threadserver.core.errors import UsageError
from threadserver.core.steps import STEPS
from threadserver.core.trace import Record
from threadserver.diagrams.conversing import conversation
from threadserver.diagrams.lifelines import LISTENER, Cast, Lifeline
from threadserver.diagrams.matching import connections
from threadserver.diagrams.opening import listening, opening
from threadserver.diagrams.rows import Row


@dataclass(frozen=True)
class Sequence:
    """Lifelines from left to right, and rows in the order of time since ``start``, the trace's first call."""

    start: float
    lifelines: tuple[Lifeline, ...]
    rows: tuple[Row, ...]

    @property
    def connections(self) -> list[int]:
        """The numbers of the connections that are shown, in order."""
        return sorted({row.connection for row in self.rows if row.connection})

    def only(self, numbers: Collection[int]) -> "Sequence":
        """Return the part that concerns some connections, with the listening socket's calls, which concern all.

        Raises UsageError for a connection that is not in the trace.
        """
        if unknown := sorted(set(numbers) - set(self.connections)):
            known = ", ".join(map(str, self.connections)) or "none with a number"
            raise UsageError(f"no connection {unknown[0]} in this trace; it has: {known}")
        return self._reduced(tuple(row for row in self.rows if row.connection in numbers or _for_all(row)))

    def records(self) -> list[Record]:
        """Return the records that the rows rest on, each once."""
        return list(dict.fromkeys(record for row in self.rows for record in row.records))

    def _reduced(self, rows: tuple[Row, ...]) -> "Sequence":
        used = {key for row in rows for key in (row.source, row.target)}
        return replace(self, rows=rows, lifelines=tuple(one for one in self.lifelines if one.key in used))


def sequence(records: Iterable[Record]) -> Sequence:
    """Arrange the records of a trace, as ``trace.read`` or ``trace.number`` returns them."""
    records = list(records)
    start = min((record.begin for record in records), default=0.0)
    cast = Cast(records)
    rows = [row for calls in cast.listening.values() for row in listening(cast, calls)]
    for connection in connections(records):
        rows += [*opening(cast, connection), *conversation(cast, connection)]
    rows.sort(key=_moment)
    used = {key for row in rows for key in (row.source, row.target)}
    return Sequence(start, cast.lifelines(used), tuple(replace(row, time=row.time - start) for row in rows))


def _moment(row: Row) -> tuple[float, int]:
    """Return the sort key of a row: its time, and within one moment the order of the steps."""
    return row.time, list(STEPS).index(row.step) if row.step else len(STEPS)


def _for_all(row: Row) -> bool:
    return row.connection is None and row.target is None and row.source.startswith(LISTENER)

"""``results.json``: all measurements, round by round, and where they were made. Version 1 of its schema.

::

    schema        "threadserver-comparison/1"; a reader refuses any other number
    begun, ended  local time, ISO 8601; ended is null while it runs and after an interrupt
    interrupted   true if Ctrl-C ended it: runs then holds the runs up to that point
    machine       processor, cores (numbers), memory_bytes, kernel, architecture,
                  limits: descriptors, tasks_of_user, tasks_of_machine, process_ids, backlog (null: none)
    load_average  over 1, 5 and 15 minutes, at the start: 0 is an idle machine
    interpreter   of the servers: path, name, version, gil (whether it has a GIL)
    servers, generators   the cores of each; for `spin` the servers use all cores
    pace          seconds, warm_up, timeout of each run, in seconds
    planned       number of rounds planned
    contestants   of each: name, kind (model, peer, submission), family, file, only (the one workload in which it
                  takes part; null: all)
    cells         of each: workload, connections, rate (requests/s in open loop; null: closed loop)
    runs          one object per run, in order:
        contestant, workload, connections, rate, round (0, 1, …)
        outcome       a key of OUTCOMES
        why, output   the fault in one line; the server's last output. Empty without a fault
        served        clients with at least one answer; for `idle`, those also held to the end
        requests      correct answers in the measured time
        errors        number by kind (clients/load/error_kinds.py), including the warm-up
        load          the load generator's result, schema threadserver-load/1; null for `idle` and where there
                      is none
        server        the kernel's counts under load, or null: tasks (threads of all its processes),
                      processes, seconds (between the two counts), cpu_seconds (used meanwhile), cpu_share
                      (CPU seconds per second), cpu_per_request (CPU seconds),
                      switches_per_request (null if tasks ended meanwhile, as their counts are lost),
                      uncounted (true: it ignores SIGCHLD, so CPU seconds of ended children are lost)
        memory        for `idle`, or null: PSS in bytes of all its processes with a few connections and with all:
                      few, few_connections, full, full_connections. The generator shares library pages with the
                      server, so it runs both times

All times are in seconds, all amounts of memory in bytes.
"""

import json
import os
import zlib
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

from threadserver.comparison.cells import Cell
from threadserver.core.errors import KitError, UsageError, reason

SCHEMA = "threadserver-comparison/1"
OUTCOMES = {
    "measured": "no faults",
    "partly": "some clients or requests were not served; the others count",
    "overrun": "it did not keep up with the rate; its figures count",
    "leaked": "it kept more and more for clients that had left; its figures count",
    "wrong answers": "it sent bytes other than the service's answer; its figures do not count",
    "crashed": "it ended under load; its figures do not count",
    "hung": "it answered no client, or stopped answering",
    "dropped": "it closed every connection while an answer was due",
    "refused": "it refused every client",
    "not offered": "it does not know this service",
    "not built": "it cannot be built",
    "not started": "it never listened",
    "generator failed": "the load generator failed",
}
COUNTED = ("measured", "partly", "overrun", "leaked")
"""Outcomes whose figures count."""
FINAL = ("not offered", "not built")
"""Outcomes that another round cannot change."""


@dataclass(frozen=True, slots=True)
class Server:
    """The kernel's counts of a server under load; see above."""

    tasks: int
    processes: int
    seconds: float | None = None
    cpu_seconds: float | None = None
    cpu_share: float | None = None
    cpu_per_request: float | None = None
    switches_per_request: float | None = None
    uncounted: bool = False


@dataclass(frozen=True, slots=True)
class Memory:
    """PSS in bytes, with a few connections and with all."""

    few: int
    few_connections: int
    full: int
    full_connections: int

    @property
    def each(self) -> float | None:
        """Bytes per connection; a negative value is noise and counts as 0."""
        more = self.full_connections - self.few_connections
        return max(self.full - self.few, 0) / more if more > 0 else None


@dataclass(slots=True)
class Run:
    """One contestant, one cell, one round; see above."""

    contestant: str
    cell: Cell
    number: int
    outcome: str = "measured"
    why: str = ""
    output: str = ""
    served: int = 0
    requests: int = 0
    errors: dict[str, int] = field(default_factory=dict)
    load: dict[str, Any] | None = None
    server: Server | None = None
    memory: Memory | None = None

    def failed(self, outcome: str, why: str) -> "Run":
        """Record a fault, and return the run."""
        self.outcome, self.why = outcome, why
        return self

    def loaded(self, *path: str) -> Any:  # noqa: ANN401
        """Return a value of the load generator's result, such as ``("latency", "p50")``; None if there is none."""
        value: Any = self.load
        for name in path:
            value = None if value is None else value[name]
        return value

    @property
    def counted(self) -> bool:
        """Whether its figures count."""
        return self.outcome in COUNTED

    def as_dict(self) -> dict[str, Any]:
        """Return a dictionary for JSON."""
        whole = asdict(self)
        number, cell = whole.pop("number"), whole.pop("cell")
        return {"contestant": whole.pop("contestant"), **cell, "round": number, **whole}

    @classmethod
    def from_dict(cls, given: dict[str, Any]) -> "Run":
        """Read the output of `as_dict`."""
        rest = dict(given)
        cell = Cell(*(rest.pop(name) for name in ("workload", "connections", "rate")))
        server, memory = rest.pop("server"), rest.pop("memory")
        return cls(
            cell=cell, number=rest.pop("round"), server=Server(**server) if server else None,
            memory=Memory(**memory) if memory else None, **rest,
        )  # fmt: skip


@dataclass(slots=True)
class Results:
    """A whole comparison; see above."""

    begun: str
    machine: dict[str, Any]
    load_average: list[float]
    interpreter: dict[str, Any]
    servers: list[int]
    generators: list[int]
    pace: dict[str, float]
    planned: int
    contestants: list[dict[str, str | None]]
    cells: list[Cell]
    runs: list[Run] = field(default_factory=list)
    ended: str | None = None
    interrupted: bool = False

    @property
    def names(self) -> list[str]:
        """The contestants, in the requested order."""
        return [str(one["name"]) for one in self.contestants]

    def entering(self, cell: Cell) -> list[str]:
        """Return the contestants that take part in a cell."""
        return [str(one["name"]) for one in self.contestants if one.get("only") in (None, cell.workload)]

    @property
    def families(self) -> dict[str, str]:
        """The family of each contestant."""
        return {str(one["name"]): str(one["family"]) for one in self.contestants}

    def of(self, contestant: str, cell: Cell) -> Iterator[Run]:
        """Return the runs of one contestant in one cell."""
        return (run for run in self.runs if run.contestant == contestant and run.cell == cell)

    def as_dict(self) -> dict[str, Any]:
        """Return a dictionary for JSON."""
        whole = {name: getattr(self, name) for name in self.__slots__}
        runs = [run.as_dict() for run in self.runs]
        return {"schema": SCHEMA, **whole, "cells": [asdict(cell) for cell in self.cells], "runs": runs}

    def write(self, path: Path) -> None:
        """Replace the file atomically: it is always the whole old or the whole new one. Raises KitError on failure."""
        beside = path.with_name(f".{path.name}.{os.getpid()}")
        try:
            with beside.open("w", encoding="utf-8") as file:
                json.dump(self.as_dict(), file, ensure_ascii=False)
                file.flush()
                os.fsync(file.fileno())
            beside.replace(path)
        except OSError as error:
            raise KitError(f"cannot write {path}: {reason(error)}") from error
        finally:
            with suppress(OSError):
                beside.unlink(missing_ok=True)


def read(path: Path) -> Results:
    """Read results. Raises UsageError, in one line, if the file is not a results.json of this version."""
    try:
        given = json.loads(path.read_text(encoding="utf-8"), parse_constant=_refuse)
    except OSError as error:
        raise UsageError(f"cannot read {path}: {reason(error)}") from error
    except (ValueError, RecursionError) as error:
        raise UsageError(f"{path} is not a results.json: {error}") from error
    schema = given.pop("schema", None) if isinstance(given, dict) else None
    if schema != SCHEMA:
        raise UsageError(f"{path} is not a results.json of this version: its schema is {schema!r}, not {SCHEMA!r}")
    with intact(path):
        cells = [Cell(**cell) for cell in given.pop("cells")]
        found = Results(cells=cells, runs=[Run.from_dict(run) for run in given.pop("runs")], **given)
        _check(found)
        return found


def _check(found: Results) -> None:
    """Check the time, the contestants and the outcomes. Raises ValueError or TypeError if they make no sense."""
    datetime.fromisoformat(found.begun)
    for run in found.runs:
        if run.contestant not in found.names:
            raise ValueError(f"{run.contestant!r} is not a contestant")
        if run.outcome not in OUTCOMES:
            raise ValueError(f"{run.outcome!r} is not an outcome")


def _refuse(constant: str) -> float:
    raise ValueError(f"{constant} is not a JSON number")


@contextmanager
def intact(path: Path) -> Iterator[None]:
    """Read or draw a file in this block; bad content raises UsageError, which calls the file damaged in one line."""
    try:
        yield
    except (LookupError, TypeError, ValueError, AttributeError, ArithmeticError, zlib.error) as error:
        said = " ".join(f"{type(error).__name__}: {error}".split())
        raise UsageError(f"{path} is damaged: {said}") from error

"""``results.json``: everything that was measured, round by round, and where. Version 1 of its schema.

::

    schema        "threadserver-comparison/1"; a reader refuses another number
    begun, ended  local time, ISO 8601; ended is null while it goes on, and when it was interrupted
    interrupted   true when Ctrl-C ended it: rounds then holds what was measured until then
    machine       processor, cores (numbers), memory_bytes, kernel, architecture,
                  limits: descriptors, tasks_of_user, tasks_of_machine, process_ids, backlog (null: none)
    load_average  over 1, 5 and 15 minutes, at the beginning: 0 is an idle machine
    interpreter   of the servers: path, name, version, gil (whether it has the global lock)
    servers, generators   the cores of each; `spin` has its servers on all cores
    pace          seconds, warm_up, timeout of each run, in seconds
    planned       rounds that were to be
    contestants   of each: name, kind (model, peer, submission), family, file, only (the one workload that it is
                  measured in; null: in all)
    cells         of each: workload, connections, rate (requests/s in open loop; null: closed loop)
    runs          one object a run, in the order in which they were made:
        contestant, workload, connections, rate, round (0, 1, …)
        outcome       a key of OUTCOMES
        why, output   in one line what went wrong; what the server said last. Empty when all was well
        served        clients that were answered at least once; for `idle`, and then held to the end
        requests      right answers in the measured time
        errors        how many, by kind (clients/load/error_kinds.py), those of the warm-up among them
        load          the load generator's result as it gives it, schema threadserver-load/1; null for `idle`
                      and where none was made
        server        the kernel's counts while the load was on, or null: tasks (threads of all its processes),
                      processes, seconds (between the two counts), cpu_seconds (used meanwhile), cpu_share
                      (CPU seconds a second), cpu_per_request (CPU seconds),
                      switches_per_request (null where tasks ended meanwhile, and their counts with them),
                      uncounted (true: it ignores SIGCHLD, so CPU seconds of its ended children are lost)
        memory        for `idle`, or null: PSS in bytes of all its processes with a few connections and with all:
                      few, few_connections, full, full_connections. The generator shares pages of libraries with
                      the server, and so must be there both times

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
    "measured": "all was well",
    "partly": "some clients or requests were not served; what the others got is counted",
    "overrun": "it did not keep up with the rate; its figures are counted",
    "leaked": "it kept more and more for clients that had gone; its figures are counted",
    "wrong answers": "other bytes than the service's answer came; nothing of it is counted",
    "crashed": "it ended under load; nothing of it is counted",
    "hung": "nobody was answered, or nobody any more",
    "dropped": "it ended every connection while it owed an answer",
    "refused": "every client was refused",
    "not offered": "it does not know this service",
    "not built": "it cannot be built",
    "not started": "it did not come to listen",
    "generator failed": "the load generator could not work",
}
COUNTED = ("measured", "partly", "overrun", "leaked")
"""Outcomes whose figures are figures."""
FINAL = ("not offered", "not built")
"""Outcomes that another round would not change."""


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
        """Bytes for each connection; what is below nothing is noise, and counts as nothing."""
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
        """Say what went wrong, and return the run."""
        self.outcome, self.why = outcome, why
        return self

    @property
    def counted(self) -> bool:
        """Whether its figures are figures."""
        return self.outcome in COUNTED

    def as_dict(self) -> dict[str, Any]:
        """Give it as JSON takes it."""
        whole = asdict(self)
        number, cell = whole.pop("number"), whole.pop("cell")
        return {"contestant": whole.pop("contestant"), **cell, "round": number, **whole}

    @classmethod
    def from_dict(cls, given: dict[str, Any]) -> "Run":
        """Read what `as_dict` wrote."""
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
        """The contestants, in the order in which they were asked for."""
        return [str(one["name"]) for one in self.contestants]

    def entering(self, cell: Cell) -> list[str]:
        """Give those that are measured in a cell."""
        return [str(one["name"]) for one in self.contestants if one.get("only") in (None, cell.workload)]

    @property
    def families(self) -> dict[str, str]:
        """What each contestant is made of."""
        return {str(one["name"]): str(one["family"]) for one in self.contestants}

    def of(self, contestant: str, cell: Cell) -> Iterator[Run]:
        """Give the runs of one contestant in one cell."""
        return (run for run in self.runs if run.contestant == contestant and run.cell == cell)

    def as_dict(self) -> dict[str, Any]:
        """Give it as JSON takes it."""
        whole = {name: getattr(self, name) for name in self.__slots__}
        runs = [run.as_dict() for run in self.runs]
        return {"schema": SCHEMA, **whole, "cells": [asdict(cell) for cell in self.cells], "runs": runs}

    def write(self, path: Path) -> None:
        """Write it in one stroke: whoever reads, or interrupts, finds the old file or the new one, whole."""
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
    """Read results. Raises UsageError, in one line, for what is none, or of another version."""
    try:
        given = json.loads(path.read_text(encoding="utf-8"), parse_constant=_refuse)
    except OSError as error:
        raise UsageError(f"cannot read {path}: {reason(error)}") from error
    except (ValueError, RecursionError) as error:
        raise UsageError(f"{path} is no results.json: {error}") from error
    schema = given.pop("schema", None) if isinstance(given, dict) else None
    if schema != SCHEMA:
        raise UsageError(f"{path} is no results.json of this version: its schema is {schema!r}, not {SCHEMA!r}")
    with intact(path):
        cells = [Cell(**cell) for cell in given.pop("cells")]
        found = Results(cells=cells, runs=[Run.from_dict(run) for run in given.pop("runs")], **given)
        _check(found)
        return found


def _check(found: Results) -> None:
    """See whether it can be told what was measured of whom, and when. Raises ValueError or TypeError where not."""
    datetime.fromisoformat(found.begun)
    for run in found.runs:
        if run.contestant not in found.names:
            raise ValueError(f"{run.contestant!r} is no contestant")
        if run.outcome not in OUTCOMES:
            raise ValueError(f"{run.outcome!r} is no outcome")


def _refuse(constant: str) -> float:
    raise ValueError(f"{constant} is no number of JSON")


@contextmanager
def intact(path: Path) -> Iterator[None]:
    """Read, or draw, what a file says: whatever is not as it must be is told as damage, in one line, by UsageError."""
    try:
        yield
    except (LookupError, TypeError, ValueError, AttributeError, ArithmeticError, zlib.error) as error:
        said = " ".join(f"{type(error).__name__}: {error}".split())
        raise UsageError(f"{path} is damaged: {said}") from error

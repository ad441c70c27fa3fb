"""A trace: one line of JSON for each call on a socket that was recorded.

::

    {"step": "8", "side": "server", "call": "accept", "arguments": "", "result": "7, tcp://127.0.0.1:51324",
     "begin": 81.20411, "end": 81.39712, "process": 8622, "thread": 8622, "thread_name": "MainThread",
     "socket": "8622.1", "connection": 7, "local": "tcp://127.0.0.1:7000", "peer": "tcp://127.0.0.1:51324"}

Times are seconds of CLOCK_MONOTONIC, which all processes of one machine share: so the traces of several processes merge
into one by sorting. Each line is one write() of less than PIPE_BUF bytes, to a file opened for appending or to a
pipe, so threads and forked children share a recorder without a lock, and lose nothing when they are killed: pipe(7).

`connect` and `accept` are two steps each, when they are called (5, 6) and when they return (7, 8). They are recorded
twice, first with `end` and `result` null. A call outside the twelve steps has step null. The connection's
number is unknown until accept() or HELLO; `read` fills it in for the calls before.
"""

import json
import logging
import os
from collections.abc import Iterable
from dataclasses import asdict, dataclass, replace
from math import isfinite
from pathlib import Path
from types import NoneType

from threadserver.core.errors import KitError, UsageError, reason
from threadserver.core.steps import STEPS

KINDS: dict[str, tuple[type, ...]] = {
    "step": (str, NoneType), "side": (str,), "call": (str,), "arguments": (str,), "result": (str, NoneType),
    "begin": (float, int), "end": (float, int, NoneType), "process": (int,), "thread": (int,), "thread_name": (str,),
    "socket": (str,), "connection": (int, NoneType), "local": (str, NoneType), "peer": (str, NoneType),
}  # fmt: skip

log = logging.getLogger("threadserver")


@dataclass(frozen=True)
class Record:
    """One call on one socket; `end` and `result` are None while it is under way."""

    step: str | None
    side: str
    call: str
    arguments: str
    result: str | None
    begin: float
    end: float | None
    process: int
    thread: int
    thread_name: str
    socket: str
    connection: int | None
    local: str | None
    peer: str | None

    @property
    def time(self) -> float:
        """When the call returned, or when it was made if it is still under way."""
        return self.begin if self.end is None else self.end


class Recorder:
    """Writes records to a pipe or a file. A file is appended to, or emptied first with ``truncate``.

    Raises KitError when it cannot be opened.
    """

    def __init__(self, path: str | Path, *, truncate: bool = False) -> None:
        flags = os.O_WRONLY | os.O_CREAT | (os.O_TRUNC if truncate else 0) | os.O_APPEND
        try:
            self._descriptor: int | None = os.open(path, flags, 0o666)
        except OSError as error:
            raise KitError(f"cannot write the trace {path}: {reason(error)}") from error

    def write(self, record: Record) -> None:
        """Write one record in one piece. When that fails the trace ends, and the recorded program goes on."""
        if self._descriptor is None:
            return
        try:
            os.write(self._descriptor, json.dumps(asdict(record)).encode() + b"\n")
        except OSError as error:
            self._descriptor = None
            log.warning("the trace ends here, it cannot be written: %s", reason(error))

    def close(self) -> None:
        """Close the file. Calls after that are not recorded."""
        descriptor, self._descriptor = self._descriptor, None
        if descriptor is not None:
            os.close(descriptor)


def read(paths: Iterable[str | Path]) -> list[Record]:
    """Merge the traces of several processes into one, in order of time, with each connection's number filled in.

    Raises UsageError when a file cannot be read or is not a trace.
    """
    return number(record for path in paths for record in _records(path))


def number(records: Iterable[Record]) -> list[Record]:
    """Sort records by time and fill in the connection numbers that were unknown when they were written."""
    ordered = sorted(records, key=lambda record: record.time)
    by_socket = {r.socket: r.connection for r in ordered if r.connection and r.step != "6"}  # 6 is the listener's
    by_wait = {(r.process, r.thread, r.begin): r.connection for r in ordered if r.call == "accept" and r.connection}
    by_client = {
        r.peer: r.connection for r in ordered if r.side == "server" and r.connection and r.peer and r.peer != "unix:"
    }
    local = {r.socket: r.local for r in ordered if r.side == "client" and r.local}

    def known(record: Record) -> int | None:
        if record.call == "accept":
            return by_wait.get((record.process, record.thread, record.begin))
        return by_socket.get(record.socket) or by_client.get(local.get(record.socket, ""))

    return [record if record.connection else replace(record, connection=known(record)) for record in ordered]


def parse(line: str | bytes) -> Record:
    """Read one line of a trace. Raises ValueError when it is something else."""
    try:
        record = Record(**json.loads(line))
    except (TypeError, RecursionError) as error:
        raise ValueError(str(error)) from error
    for name, kinds in KINDS.items():
        if not isinstance(value := getattr(record, name), kinds) or (isinstance(value, float) and not isfinite(value)):
            raise ValueError(f"{name} is {value!r}")
    if record.step is not None and record.step not in STEPS:
        raise ValueError(f"there is no step {record.step}")
    return record


def _records(path: str | Path) -> Iterable[Record]:
    try:
        lines = Path(path).read_bytes().splitlines(keepends=True)
    except OSError as error:
        raise UsageError(f"cannot read the trace {path}: {reason(error)}") from error
    if lines and not lines[-1].endswith(b"\n"):  # the program that wrote it was interrupted
        lines.pop()
    for at, line in enumerate(lines, 1):
        try:
            yield parse(line)
        except ValueError as error:
            raise UsageError(f"{path}, line {at}: not a record of a trace ({error})") from error

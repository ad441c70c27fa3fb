"""Recording: sockets that tell of every call, so that the twelve steps can be seen.

A server or client that is to be recorded is given a `RecordedSocket` where it would have made a socket; without a
recorder it has a plain one, so what is not recorded pays nothing. A trace is a stream of lines, one JSON object for
each call::

    {"step": "8", "side": "server", "call": "accept", "arguments": "", "result": "tcp://127.0.0.1:51324",
     "begin": 81.20411, "end": 81.39712, "process": 8622, "thread": 8622, "thread_name": "MainThread",
     "socket": "8622.1", "connection": 7, "local": "tcp://127.0.0.1:7000", "peer": "tcp://127.0.0.1:51324"}

Times are seconds of CLOCK_MONOTONIC, which all processes of one machine share: so traces of several processes merge
into one by sorting. Each line is one write() of less than PIPE_BUF bytes, to a file opened for appending or to a
pipe, so threads and forked children share a recorder without a lock, and lose nothing when they are killed: pipe(7).

`connect` and `accept` take two steps each, when they are called (5, 6) and when they return (7, 8); they are recorded
twice, first with `end` and `result` null. A call outside the twelve steps has step null. The connection's
number is unknown before accept() or HELLO tell it; `read` fills it in.
"""

import json
import logging
import os
import socket
import threading
from collections.abc import Iterable
from dataclasses import asdict, dataclass, replace
from itertools import count
from pathlib import Path
from time import monotonic
from typing import Any

from threadserver.address import Address
from threadserver.errors import KitError, UsageError, reason

SHOWN = 120  # bytes of data that a record shows

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
        """The moment that the record stands for: when the call returned, or was made if it is still under way."""
        return self.begin if self.end is None else self.end


class Recorder:
    """Writes records to a pipe or a file, which is appended to, or begun anew.

    Raises KitError when it cannot be opened.
    """

    def __init__(self, path: str | Path, *, anew: bool = False) -> None:
        flags = os.O_WRONLY | os.O_CREAT | (os.O_TRUNC if anew else 0) | os.O_APPEND
        try:
            self._descriptor: int | None = os.open(path, flags, 0o666)
        except OSError as error:
            raise KitError(f"cannot write the trace {path}: {reason(error)}") from error

    def write(self, record: Record) -> None:
        """Write one record, whole. A trace that cannot be written any more ends; who is recorded does not."""
        if self._descriptor is None:
            return
        try:
            os.write(self._descriptor, json.dumps(asdict(record)).encode() + b"\n")
        except OSError as error:
            self._descriptor = None
            log.warning("the trace ends here, it cannot be written: %s", reason(error))

    def introduce(self, connection: socket.socket, number: int) -> None:
        """Tell the number of the connection that a recorded socket is an end of."""
        if isinstance(connection, RecordedSocket):
            connection.introduced(number)

    def close(self) -> None:
        """Close the file. Who is still recorded then is not heard any more."""
        descriptor, self._descriptor = self._descriptor, None
        if descriptor is not None:
            os.close(descriptor)


_serial = count(1)


class RecordedSocket(socket.socket):
    """A socket of one `side` that tells a recorder of every call; otherwise a socket like any other."""

    def __init__(
        self,
        recorder: Recorder,
        side: str,
        family: int,
        type: int,  # noqa: A002
        proto: int,
        fileno: int | None = None,
    ) -> None:
        begin = monotonic()
        super().__init__(family, type, proto, fileno)
        self._recorder = recorder
        self._side = side
        self._name = f"{os.getpid()}.{next(_serial)}"
        self._number: int | None = None
        self._addresses: tuple[str | None, str | None] = (None, None)
        self._accepted: Record | None = None  # waits for the connection's number
        self._greeted = self._confirmed = self._ended = False
        if fileno is None:
            text = f"{socket.AddressFamily(family).name}, {socket.SocketKind(type).name}, {proto}"
            self._record("1" if side == "server" else "4", "socket", text, f"descriptor {self.fileno()}", begin)

    def introduced(self, number: int) -> None:
        """Learn the number of the connection, and record the accept() that it came from."""
        self._number = number
        if self._accepted:
            self._recorder.write(replace(self._accepted, connection=number))
            self._accepted = None

    def bind(self, address: Any) -> None:  # noqa: ANN401
        """Take step 2."""
        with _Call(self, "2", "bind", str(Address.of(self.family, address))):
            super().bind(address)
            self._addresses = (str(Address.of(self.family, self.getsockname())), None)

    def listen(self, backlog: int = 128, /) -> None:
        """Take step 3."""
        with _Call(self, "3", "listen", str(backlog)):
            super().listen(backlog)

    def accept(self) -> tuple[socket.socket, Any]:
        """Be in step 6 while it is blocked; step 8 is when it returns."""
        begin = monotonic()
        self._record("6", "accept", "", None, begin)
        try:
            plain, peer = super().accept()
        except OSError as error:
            self._record(None, "accept", "", _failed(error), begin)
            raise
        connection = RecordedSocket(
            self._recorder, self._side, self.family, self.type, self.proto, fileno=plain.detach()
        )
        names = (str(Address.of(self.family, name)) for name in (connection.getsockname(), peer))
        connection._addresses = (next(names), next(names))
        result = f"descriptor {connection.fileno()}, peer {connection._addresses[1]}"
        connection._accepted = connection._made("8", "accept", "", result, begin)
        return connection, peer

    def connect(self, address: Any) -> None:  # noqa: ANN401
        """Take step 5 when it is called; step 7 is when it returns."""
        peer = str(Address.of(self.family, address))
        self._record("5", "connect", peer, None, monotonic())
        with _Call(self, "7", "connect", peer):
            super().connect(address)
            self._addresses = (str(Address.of(self.family, self.getsockname())), peer)

    def recv(self, bufsize: int, flags: int = 0, /) -> bytes:
        """Take the server's step 10, or see a step of the other side arrive."""
        with _Call(self, None, "recv", str(bufsize)) as call:
            data = super().recv(bufsize, flags)
            call.step, call.result = self._step_received(data), _shown(data)
        return data

    def send(self, data: Any, flags: int = 0, /) -> int:  # noqa: ANN401
        """Send without waiting, outside the steps: a refusal."""
        with _Call(self, None, "send", _shown(data)) as call:
            sent = super().send(data, flags)
            call.result = f"{sent} bytes"
        return sent

    def sendall(self, data: Any, flags: int = 0, /) -> None:  # noqa: ANN401
        """Take steps 8a and 10 of the server, 8b and 9 of the client."""
        with _Call(self, self._step_sent(data), "sendall", _shown(data)):
            super().sendall(data, flags)

    def shutdown(self, how: int, /) -> None:
        """Take step 11, where the client half-closes."""
        with _Call(self, self._step_ended(), "shutdown", ("SHUT_RD", "SHUT_WR", "SHUT_RDWR")[how]):
            super().shutdown(how)

    def close(self) -> None:
        """Take steps 11 and 12."""
        if self.fileno() == -1:
            return
        step = "12" if self._side == "server" and self._addresses[1] else self._step_ended()
        with _Call(self, step, "close", ""):
            super().close()

    def _step_sent(self, data: bytes) -> str | None:
        if not self._greeted and data.startswith(b"HELLO "):
            self._greeted = True
            return "8a"
        if self._side == "client" and not self._confirmed and data.startswith(b"CONFIRM "):
            self._confirmed = True
            return "8b"
        if self._side == "client":
            return "9"
        return "10" if self._confirmed or not self._greeted else None

    def _step_received(self, data: bytes) -> str:
        if not data:
            return "11" if self._side == "server" else "12"
        if self._side == "server" and self._greeted and not self._confirmed:
            self._confirmed = True
            return "8b"
        if self._side == "client" and not self._greeted and data.startswith(b"HELLO "):
            self._greeted = True
            return "8a"
        return "10"

    def _step_ended(self) -> str | None:
        first, self._ended = not self._ended, True
        return "11" if first and self._side == "client" else None

    def _record(self, step: str | None, call: str, arguments: str, result: str | None, begin: float) -> None:
        self._recorder.write(self._made(step, call, arguments, result, begin))

    def _made(self, step: str | None, call: str, arguments: str, result: str | None, begin: float) -> Record:
        return Record(
            step, self._side, call, arguments, result,
            begin, None if result is None else monotonic(),
            os.getpid(), threading.get_native_id(), threading.current_thread().name,
            self._name, self._number, *self._addresses,
        )  # fmt: skip


class _Call:
    """Records one call when the block ends, also when the call failed."""

    def __init__(self, recorded: RecordedSocket, step: str | None, name: str, arguments: str) -> None:
        self._recorded = recorded
        self.step = step
        self.result = "0"
        self._name, self._arguments = name, arguments

    def __enter__(self) -> "_Call":
        self._begin = monotonic()
        return self

    def __exit__(self, _: object, error: BaseException | None, __: object) -> None:
        if isinstance(error, OSError):
            self.step, self.result = None, _failed(error)
        self._recorded._record(self.step, self._name, self._arguments, self.result, self._begin)  # noqa: SLF001


def read(paths: Iterable[str | Path]) -> list[Record]:
    """Merge the traces of several processes into one, in order of time, with each connection's number filled in.

    Raises UsageError when a file cannot be read or is no trace.
    """
    return number(record for path in paths for record in _records(path))


def number(records: Iterable[Record]) -> list[Record]:
    """Sort records by time and fill in the numbers of connections that were not known when they were written."""
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
    """Read one line of a trace. Raises ValueError when it is none."""
    try:
        return Record(**json.loads(line))
    except TypeError as error:
        raise ValueError(str(error)) from error


def _records(path: str | Path) -> Iterable[Record]:
    try:
        lines = Path(path).read_bytes().splitlines()
    except OSError as error:
        raise UsageError(f"cannot read the trace {path}: {reason(error)}") from error
    for at, line in enumerate(lines, 1):
        try:
            yield parse(line)
        except ValueError as error:
            raise UsageError(f"{path}, line {at}: not a record of a trace ({error})") from error


def _shown(data: bytes) -> str:
    text = bytes(data[:SHOWN]).decode("utf-8", "backslashreplace")
    text = text.replace("\n", "\\n").replace("\r", "\\r")
    return text if len(data) <= SHOWN else f"{text}… ({len(data)} bytes)"


def _failed(error: OSError) -> str:
    return f"failed: {reason(error)}"

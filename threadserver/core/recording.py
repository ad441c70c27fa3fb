"""Recording: sockets that record every call, so that the twelve steps can be seen.

With a recorder, a server or client makes a `RecordedSocket` instead of a plain socket; without one, recording costs
nothing. This file also knows which call, on which side, is which step.
"""

import os
import socket
import threading
from dataclasses import replace
from itertools import count
from time import monotonic
from typing import Any

from threadserver.core.address import Address
from threadserver.core.conversation import FULL
from threadserver.core.errors import reason
from threadserver.core.trace import Record, Recorder

SHOWN = 120  # bytes of data that a record shows

_serial = count(1)


def number_connection(connection: socket.socket, number: int) -> None:
    """Tell a recorded socket the number of its connection. A plain socket needs no number."""
    if isinstance(connection, RecordedSocket):
        connection.set_number(number)


class RecordedSocket(socket.socket):
    """A socket of one `side` that records every call, and otherwise works like a plain socket."""

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
        self._accepted: Record | None = None  # its record waits for the connection's number
        self._greeted = self._confirmed = self._ended = False
        if fileno is None:
            text = f"{socket.AddressFamily(family).name}, {socket.SocketKind(type).name}, {proto}"
            self._record("1" if side == "server" else "4", "socket", text, f"{self.fileno()}", begin)

    def set_number(self, number: int) -> None:
        """Learn the number of the connection, and record the accept() that it came from."""
        self._number = number
        if self._accepted:
            self._recorder.write(replace(self._accepted, connection=number))
            self._accepted = None

    def bind(self, address: Any) -> None:  # noqa: ANN401
        """Bind the socket: step 2."""
        with _Call(self, "2", "bind", str(Address.of(self.family, address))):
            super().bind(address)
            self._addresses = (str(Address.of(self.family, self.getsockname())), None)

    def listen(self, backlog: int = 128, /) -> None:
        """Listen: step 3."""
        with _Call(self, "3", "listen", str(backlog)):
            super().listen(backlog)

    def accept(self) -> tuple[socket.socket, Any]:
        """Accept a connection: step 6 while the call is blocked, step 8 when it returns."""
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
        result = f"{connection.fileno()}, {connection._addresses[1]}"
        connection._accepted = connection._made("8", "accept", "", result, begin)
        return connection, peer

    def connect(self, address: Any) -> None:  # noqa: ANN401
        """Connect: step 5 when the call begins, step 7 when it returns."""
        peer = str(Address.of(self.family, address))
        self._record("5", "connect", peer, None, monotonic())
        with _Call(self, "7", "connect", peer):
            super().connect(address)
            self._addresses = (str(Address.of(self.family, self.getsockname())), peer)

    def recv(self, bufsize: int, flags: int = 0, /) -> bytes:
        """Receive: step 10 of the server, or the result of a step of the other side."""
        with _Call(self, None, "recv", str(bufsize)) as call:
            data = super().recv(bufsize, flags)
            call.step, call.result = self._step_received(data), _shown(data)
        return data

    def send(self, data: Any, flags: int = 0, /) -> int:  # noqa: ANN401
        """Send what the kernel takes: steps 8a and 10 of an event loop, or a refusal, which belongs to no step."""
        step = None if bytes(data[: len(FULL)]) == FULL else self._step_sent(data)
        with _Call(self, step, "send", _shown(data)) as call:
            sent = super().send(data, flags)
            call.result = f"{sent} bytes"
        return sent

    def sendall(self, data: Any, flags: int = 0, /) -> None:  # noqa: ANN401
        """Send everything: steps 8a and 10 of the server, 8b and 9 of the client."""
        with _Call(self, self._step_sent(data), "sendall", _shown(data)):
            super().sendall(data, flags)

    def shutdown(self, how: int, /) -> None:
        """Shut down one or both directions: step 11 when the client half-closes."""
        with _Call(self, self._step_ended(), "shutdown", ("SHUT_RD", "SHUT_WR", "SHUT_RDWR")[how]):
            super().shutdown(how)

    def close(self) -> None:
        """Close the socket: step 11 of a client, 12 of a server."""
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
    """Records one call when the block ends, even if the call failed."""

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


def _shown(data: bytes) -> str:
    text = bytes(data[:SHOWN]).decode("utf-8", "backslashreplace")
    text = text.replace("\n", "\\n").replace("\r", "\\r")
    return text if len(data) <= SHOWN else f"{text}… ({len(data)} bytes)"


def _failed(error: OSError) -> str:
    return f"failed: {reason(error)}"

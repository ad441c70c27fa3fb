"""A blocking client: the client's side of the twelve steps.

::

    with Client("tcp://127.0.0.1:7000") as client:      # steps 4, 5, 7 and, at HELLO, 8b
        print(client.ask(b"hello"))                     # steps 9 and 10
                                                        # step 11, at the end of the block
"""

import socket
from collections.abc import Iterator
from contextlib import suppress
from functools import partial

from threadserver.clients.client_conversation import ClientConversation, Hello
from threadserver.core.address import Address, Endpoint
from threadserver.core.errors import KitError, UsageError, reason
from threadserver.core.recording import RecordedSocket, number_connection
from threadserver.core.trace import Recorder

RECEIVE_SIZE = 65_536


class ConnectError(KitError):
    """The connection failed, or was not confirmed; the message says why."""


class DisconnectedError(KitError):
    """The server closed the connection while it owed an answer."""


class Client:
    """One connection to a server, confirmed as soon as it is made.

    Two threads must not use it at the same time, except that one may send while the other receives.

    ``timeout`` is in seconds, for connecting, for the greeting and for each answer; None waits for ever.
    Raises ConnectError, with one line that says why, when the connection fails.
    """

    def __init__(
        self,
        address: Address | str,
        *,
        confirm: bool = True,
        timeout: float | None = 5.0,
        recorder: Recorder | None = None,
    ) -> None:
        self.address = Address.parse(str(address))
        if self.address.scheme == "udp":
            raise UsageError(f"cannot connect to {self.address}: a datagram socket has no connections")
        self.conversation = ClientConversation(confirm=confirm)
        self._make_socket = partial(RecordedSocket, recorder, "client") if recorder else socket.socket
        self.socket = self._connect(timeout)
        if confirm:
            self._await_hello(timeout)

    @property
    def hello(self) -> Hello | None:
        """How the server described the connection; None without confirmation."""
        return self.conversation.hello

    def ask(self, line: bytes) -> bytes:
        """Send a line, without its LF, and return its answer.

        Raises DisconnectedError when the server closes instead, TimeoutError when it does not answer in time.
        """
        self.send(line)
        answer = self.receive()
        if answer is None:
            raise DisconnectedError(f"{self.address} closed the connection while it owed an answer")
        return answer

    def send(self, line: bytes) -> None:
        """Send a line, without its LF, and do not wait for its answer.

        If the server has closed, `receive` reports it, not `send`, because the last answers may still be there.
        """
        if b"\n" in line:
            raise ValueError("a line cannot hold an LF")
        with suppress(BrokenPipeError, ConnectionResetError):
            self.socket.sendall(line + b"\n")

    def receive(self) -> bytes | None:
        """Return the next answer, or None when the server has ended its side.

        Raises DisconnectedError when the connection is reset, TimeoutError when no answer comes in time.
        """
        while not self.conversation.answers and not self.conversation.finished:
            try:
                self._take()
            except ConnectionError as error:
                raise DisconnectedError(f"{self.address}: {reason(error)}") from error
        return self.conversation.answers.popleft() if self.conversation.answers else None

    def finish(self) -> None:
        """Half-close: no line follows. Answers that are owed still arrive."""
        with suppress(OSError):  # already gone: receive() will say so
            self.socket.shutdown(socket.SHUT_WR)

    def close(self) -> None:
        """Close the connection."""
        self.socket.close()

    def __iter__(self) -> Iterator[bytes]:
        """Yield answers until the server has ended its side."""
        while (answer := self.receive()) is not None:
            yield answer

    def __enter__(self) -> "Client":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _take(self) -> None:
        reply = self.conversation.receive(self.socket.recv(RECEIVE_SIZE))
        if self.hello:
            number_connection(self.socket, self.hello.connection)
        if reply:
            self.socket.sendall(reply)

    def _connect(self, timeout: float | None) -> socket.socket:
        """Try each address of the name, in the resolver's order."""
        failure: OSError | None = None
        for endpoint in self.address.resolve():
            try:
                return self._connect_to(endpoint, timeout)
            except OSError as error:
                failure = failure or error
        raise ConnectError(self._why_not(failure)) from failure

    def _connect_to(self, endpoint: Endpoint, timeout: float | None) -> socket.socket:
        connection = self._make_socket(endpoint.family, endpoint.type, endpoint.protocol)
        try:
            connection.settimeout(timeout)
            connection.connect(endpoint.sockaddr)
        except BaseException:
            connection.close()
            raise
        return connection

    def _await_hello(self, timeout: float | None) -> None:
        try:
            while not self.conversation.established:
                self._take()
        except BaseException as error:
            self.close()
            if isinstance(error, TimeoutError):
                raise ConnectError(
                    f"{self.address} took the connection but sent no HELLO within {timeout:g} s: "
                    "it is busy with another client, or does not confirm (then try --no-confirm)"
                ) from error
            if isinstance(error, OSError):
                raise ConnectError(f"{self.address} took the connection, then: {reason(error)}") from error
            if isinstance(error, KitError):
                raise ConnectError(f"no confirmation from {self.address}: {error}") from error
            raise

    def _why_not(self, failure: OSError | None) -> str:
        why = reason(failure) if failure else "it has no address"
        if isinstance(failure, ConnectionRefusedError | FileNotFoundError):
            why += "; nothing listens there (threadserver serve starts a server)"
        elif isinstance(failure, TimeoutError):
            why = "no answer in time"
        return f"cannot connect to {self.address}: {why}"

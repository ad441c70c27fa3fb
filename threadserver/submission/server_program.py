"""A submission that runs as a server: started in containment; the kernel's tables show when it listens."""

import os
import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress

from threadserver.core.address import Address
from threadserver.core.errors import KitError
from threadserver.core.printable import printable
from threadserver.kernel.namespaces import Network
from threadserver.kernel.sockets import Tables
from threadserver.submission.contained import Contained
from threadserver.submission.containment import require_working, wrap
from threadserver.submission.folder import runs
from threadserver.submission.keeping import Keeper, keep
from threadserver.submission.limits import Limits
from threadserver.submission.listening import Listening, free_port, listening, serves
from threadserver.submission.output import Output
from threadserver.submission.preparing import Prepared
from threadserver.submission.whereabouts import own_lines

_LAST = 1.0  # seconds in which it may say where it is
_PAUSE = 0.005  # seconds between two looks
_PATIENCE = 16  # looks at the sockets alone, for each look at the processes
_ASLEEP, _SETTLED = 20, 3.0  # looks in a row, and seconds, in which no task ran: it will do nothing more
LISTENS = "It listens at HOST PORT, the two arguments that it is given, and goes on listening."
"""A line of the contract."""


class StartError(KitError):
    """A submission that did not begin to listen where it should."""

    def __init__(self, kind: str, message: str, *, contract: str, output: str, status: int | None) -> None:
        super().__init__(printable(message))
        self.kind = kind
        """One of "ended", "never listened", "listens elsewhere", "cannot be started"."""
        self.contract = contract
        """The line of the contract that it breaks."""
        self.output = output
        """Its output, made safe to show."""
        self.status = status
        """Its exit code, negative for a signal; None when it had not ended. (`exit_code` is the kit's own.)"""


class Running(Contained):
    """A submission that serves."""

    def __init__(self, prepared: Prepared, keeper: Keeper, output: Output, address: Address) -> None:
        super().__init__(prepared, keeper, output)
        self.address = address
        self.pid = 0
        """A process that listens."""
        self._prepared = prepared
        self._said = output

    def output(self) -> str:
        """Return what it has printed: the first and the last 16 KiB, made safe to show."""
        return str(self._said)

    def last_lines(self) -> list[str]:
        """Abort it, and return the lines of its source at which its threads were; none for a program in C."""
        if self._prepared.submission.kind != "python":
            return []
        deadline = time.monotonic() + _LAST
        for pid in reversed(self.members()):  # children first: all others may end with the first process
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGABRT)
            while time.monotonic() < deadline and (one := self.members().get(pid)) and one.alive:
                time.sleep(_PAUSE)
        self.stop()  # then its output is complete
        return own_lines(self.output(), self._prepared.place.copy)

    def listens_at(self) -> list[Address]:
        """Return every address at which one of its processes listens for TCP connections."""
        alive = [pid for pid, one in self.members().items() if one.alive]
        return sorted({one.socket.local for one in listening(alive) if one.socket.scheme == "tcp"}, key=str)

    def await_listening(self, seconds: float) -> None:
        """Wait until it listens where it should. Raises StartError when it does not."""
        deadline = time.monotonic() + seconds
        found: list[Listening] = []
        looks, awake = 0, time.monotonic()
        while time.monotonic() < deadline and not (looks > _ASLEEP and time.monotonic() - awake > _SETTLED):
            self._await_any_listener()
            alive = [pid for pid, one in self.members().items() if one.alive]
            found = list(listening(alive))
            for one in found:
                if serves(one.socket, self.address):
                    self.pid = one.pid
                    return
            self._give_up_on_what_ended()
            looks += 1
            if not found or self.look().running:
                looks, awake = 0, time.monotonic()
        if found:
            where = " and ".join(sorted({str(one.socket.local) for one in found}))
            raise self._failure("listens elsewhere", f"it listens at {where}, not at {self.address}", LISTENS)
        raise self._failure(
            "never listened", f"it runs, but did not listen at {self.address} within {seconds:g} s", LISTENS
        )

    def _await_any_listener(self) -> None:
        """Wait a while until any process listens there: finding out which process it is takes longer."""
        with Network() as network, Tables(network) as tables:
            for _ in range(_PATIENCE):
                self._keeper.update(_PAUSE)
                if self._keeper.gone or any(serves(one, self.address) for one in tables.listeners()):
                    return

    def _give_up_on_what_ended(self) -> None:
        role = self._prepared.submission.role
        if self._keeper.failed:
            raise self._failure("cannot be started", f"it cannot be started: {self._keeper.failed}", runs(role))
        if self.over_limit:
            raise self._failure("ended", f"it was ended: it {self.over_limit}", LISTENS)
        if self._keeper.gone:
            raise self._failure("ended", f"it ended {how(self.ended())} before it was seen to listen", LISTENS)

    def _failure(self, kind: str, message: str, contract: str) -> StartError:
        status = self.ended()
        self.stop()  # completes its output
        return StartError(kind, message, contract=contract, output=self.output(), status=status)


@contextmanager
def running(
    prepared: Prepared, host: str = "127.0.0.1", port: int = 0, service: str | None = None,
    limits: Limits | None = None, given: str = "",
) -> Iterator[Running]:  # fmt: skip
    """Start a submission at an address (port 0: any free port), and in the end stop it with all its processes.

    It counts as started when the kernel shows that one of its processes listens; no client has connected by then.
    ``given`` is its HOST if that is not the address at which it will be reached. Raises StartError when it does not
    begin to listen, MachineError when no server would.
    """
    limits = limits or Limits()
    address = Address("tcp", host, port or free_port(host))
    words = [*prepared.command, given or host, str(address.port), *([service] if service else [])]
    order = wrap(prepared.containment, prepared.place, words, limits)
    output = Output(limits.output)
    server = Running(prepared, keep(order, output), output, address)
    try:
        try:
            server.await_listening(limits.start)
        except StartError as error:
            require_working(prepared.containment, error)
            raise
        yield server
    finally:
        server.stop()


def how(status: int | None) -> str:
    """Say how a program ended: "with exit code 1", "by signal 11 (segmentation fault)"."""
    if status is None:  # its parent has ended as well
        return "in an unknown way"
    if status >= 0:
        return f"with exit code {status}"
    text = signal.strsignal(-status)
    return f"by signal {-status}" + (f" ({text.lower()})" if text else "")

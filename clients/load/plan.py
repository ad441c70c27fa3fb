"""The plan of a load: which requests, over how many connections, how fast, for how long."""

from collections.abc import Set as AbstractSet
from dataclasses import asdict, dataclass, fields
from typing import Any

from clients.load.workloads import WORKLOADS
from threadserver.address import Address
from threadserver.errors import UsageError


@dataclass(frozen=True)
class Plan:
    """What is to be asked of a server. Raises UsageError when it makes no sense."""

    address: Address | str
    """tcp or unix; a name is resolved once, before anything starts."""
    workload: str = "echo"
    """One of `WORKLOADS`; the service that the server must offer is ``SERVICE[workload]``."""
    connections: int = 10
    """How many are open at once, over all processes; for `slow`, the fast ones."""
    seconds: float = 2.0
    """How long is measured."""
    warm_up: float = 0.5
    """Seconds before that, of the same load, which count for nothing."""
    rate: float | None = None
    """Requests a second in total (open loop); None: each connection asks as soon as it was answered (closed loop)."""
    processes: int = 1
    """Processes that generate; the connections are shared out among them."""
    payload: int = 64
    """Bytes of a request of echo, churn, idle and slow, LF included; for octets, the bytes of an answer."""
    milliseconds: int | None = None
    """What sleep and spin ask for; None: 10 for sleep, 1 for spin."""
    slow_clients: int = 4
    """For `slow`: how many slow clients there are; every other one sends half a line, the rest do not read."""
    confirm: bool = True
    """False for a server that sends no HELLO (``--no-confirm``)."""
    timeout: float = 5.0
    """Seconds to wait for a connection with its HELLO, and at the end for the answers that are still owed."""
    cpus: AbstractSet[int] | None = None
    """Cores to pin the processes to, one each in turn; None: wherever the kernel lets them run."""
    seed: int = 1
    """Of the random content of lines."""

    def __post_init__(self) -> None:
        object.__setattr__(self, "address", Address.parse(str(self.address)))
        if wrong := self._wrong():
            raise UsageError(wrong)

    def _wrong(self) -> str | None:
        raise NotImplementedError

    def as_dict(self) -> dict[str, Any]:
        """Give it as JSON takes it; `Plan(**given)` makes it again."""
        return asdict(self) | {"address": str(self.address), "cpus": sorted(self.cpus) if self.cpus else None}

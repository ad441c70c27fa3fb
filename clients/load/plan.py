"""The plan of a load: which requests, over how many connections, at what rate, for how long."""

from collections.abc import Iterator
from collections.abc import Set as AbstractSet
from dataclasses import asdict, dataclass
from math import isfinite
from typing import Any

from threadserver.clients.load.workloads import CONNECTION_PER_REQUEST, MILLISECONDS, SERVICE, WORKLOADS
from threadserver.core.address import Address
from threadserver.core.conversation import MAX_LINE
from threadserver.core.errors import UsageError

MOST_PROCESSES = 256
LARGEST = {"echo": MAX_LINE, "octets": 16_384, "sleep": 60_000, "spin": 60_000}
"""The largest input of each service, in bytes or milliseconds."""


@dataclass(frozen=True)
class Plan:
    """A load on a server. Raises UsageError when it makes no sense."""

    address: Address | str
    """tcp or unix; a name means the first of its addresses that accepts a connection."""
    workload: str = "echo"
    """One of `WORKLOADS`; the service that the server must offer is ``SERVICE[workload]``."""
    connections: int = 10
    """Connections open at once, over all processes; for `slow`, those of the fast clients."""
    seconds: float = 2.0
    """Length of the measured time."""
    warm_up: float = 0.5
    """Seconds of the same load before the measured time; they do not count."""
    rate: float | None = None
    """Requests a second in total (open loop); None: each connection asks again after its answer (closed loop)."""
    processes: int = 1
    """Generating processes; they share the connections."""
    payload: int = 64
    """Bytes of a line of echo, churn, idle and slow, its LF included; for octets, the bytes of an answer."""
    milliseconds: int | None = None
    """Milliseconds that sleep and spin ask for; None: 10 for sleep, 1 for spin."""
    slow_clients: int = 4
    """Slow clients of `slow`: every other one sends half a line, the rest do not read."""
    confirm: bool = True
    """False for a server that sends no HELLO (``--no-confirm``)."""
    timeout: float = 5.0
    """Seconds to wait for the next connection with its HELLO, and at the end for the answers still due."""
    cpus: AbstractSet[int] | None = None
    """Cores to pin the processes to, one each in turn; None: any core."""
    seed: int = 1
    """Seed for the random lines."""

    def __post_init__(self) -> None:
        object.__setattr__(self, "address", Address.parse(str(self.address)))
        object.__setattr__(self, "cpus", frozenset(self.cpus) if self.cpus else None)
        if self.milliseconds is None and self.workload in MILLISECONDS:
            object.__setattr__(self, "milliseconds", MILLISECONDS[self.workload])
        for wrong in self._wrong():
            raise UsageError(wrong)

    def as_dict(self) -> dict[str, Any]:
        """Return a dictionary for JSON; ``Plan(**given)`` makes the plan from it."""
        return {**asdict(self), "address": str(self.address), "cpus": sorted(self.cpus) if self.cpus else None}

    def _wrong(self) -> Iterator[str]:
        if self.workload not in WORKLOADS:
            yield f"unknown workload {self.workload!r}: there are {', '.join(WORKLOADS)}"
        if str(self.address).startswith("udp:"):
            yield f"cannot load {self.address}: a datagram socket has no connections"
        for name in ("connections", "processes", "slow_clients"):
            if getattr(self, name) < 1:
                yield f"{name} must be at least 1, not {getattr(self, name)}"
        for name in ("seconds", "rate", "timeout"):
            value = getattr(self, name)
            if value is not None and not (isfinite(value) and value > 0):
                yield f"{name} must be more than 0, not {value:g}"
        if not (isfinite(self.warm_up) and self.warm_up >= 0):
            yield f"warm_up must be 0 or more, not {self.warm_up:g}"
        if self.rate and self.workload in (*CONNECTION_PER_REQUEST, "idle"):
            yield f"{self.workload} takes no rate: it is a closed loop"
        yield from self._too_large()

    def _too_large(self) -> Iterator[str]:
        if self.processes > MOST_PROCESSES:
            yield f"processes must be at most {MOST_PROCESSES}, not {self.processes}"
        service = SERVICE[self.workload]
        if service in MILLISECONDS:
            what, value, least = "milliseconds", self.milliseconds or 0, 0
        else:
            what, value, least = "a payload", self.payload, 1
        if not least <= value <= LARGEST[service]:
            yield f"{service} takes {what} from {least} to {LARGEST[service]}, not {value}"

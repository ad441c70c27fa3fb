"""The message that starts a generating process, known to it and to its parent."""

from dataclasses import asdict, dataclass
from typing import Any

STOP = "stop"
"""The message that stops a process early."""
SPARE = 16
"""Descriptors that a process needs in addition to its connections."""


@dataclass(frozen=True)
class ProcessPlan:
    """One process's share of a plan."""

    plan: dict[str, Any]
    connections: int
    role: str = "load"
    """load; hold: connect and hold; slow: run the slow clients."""
    part: float = 1.0
    """This process's part of the plan's rate, 0 to 1."""
    offset: float = 0.0
    """Open loop: when the first request is due, in this process's intervals after the start: processes take turns."""
    cpu: int | None = None

    def as_dict(self) -> dict[str, Any]:
        """Return the message for the process."""
        return asdict(self)

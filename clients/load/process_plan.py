"""What a generating process is told, and what it needs: known to it and to its parent."""

from dataclasses import asdict, dataclass
from typing import Any

STOP = "stop"
"""The message that ends a process's work early."""
SPARE = 16
"""Descriptors that a process needs beside its connections."""


@dataclass(frozen=True)
class ProcessPlan:
    """A process's share of a plan."""

    plan: dict[str, Any]
    connections: int
    role: str = "load"
    """load; hold: connect and hold; dawdle: be the slow clients."""
    part: float = 1.0
    """Of the plan's rate."""
    offset: float = 0.0
    """Open loop: how many of its own intervals after the start its first request is due: processes take turns."""
    cpu: int | None = None

    def as_dict(self) -> dict[str, Any]:
        """Give the message that a process is sent."""
        return asdict(self)

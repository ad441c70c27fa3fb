"""Which of a student's hand-ins counts, and what a late one loses.

``refuse``        a late hand-in does not count
``accept``        it counts in full, and is marked
``10%/day``       it loses a tenth of its points for each day that has begun since the deadline; also ``5%/hour``
"""

import math
import re
from dataclasses import dataclass
from datetime import UTC, datetime

from threadserver.core.errors import UsageError
from threadserver.grading.exports import HandIn

_SECONDS = {"hour": 3600, "day": 86_400, "week": 604_800}


@dataclass(frozen=True, slots=True)
class LatePolicy:
    """What a hand-in after the deadline is worth."""

    deadline: datetime | None
    loss: float
    """The part of the points lost for each unit of time; 1 for a policy that refuses, 0 for one that accepts."""
    unit: float = math.inf
    """Seconds."""

    def is_late(self, hand_in: HandIn) -> bool:
        """Tell whether it came after the deadline, or the platform marks it as late."""
        after = self.deadline is not None and hand_in.when is not None and hand_in.when > self.deadline
        return after or hand_in.late

    def factor(self, hand_in: HandIn) -> float | None:
        """Return what part of its points a hand-in keeps: 0 when it does not count, None when a person must decide."""
        if self.deadline is None or self.loss == 0 or not self.is_late(hand_in):
            return 1
        if math.isinf(self.unit):
            return 0
        if hand_in.when is None or hand_in.when <= self.deadline:
            return None  # the platform says that it is late, and not how much
        units = math.ceil((hand_in.when - self.deadline).total_seconds() / self.unit)
        return max(0.0, 1 - self.loss * units)


def policy(deadline: str, late: str) -> LatePolicy:
    """Read a deadline, such as ``2026-11-28T23:59`` in local time, and a policy. Raises UsageError."""
    try:
        when = datetime.fromisoformat(deadline).astimezone(UTC) if deadline else None
    except ValueError:
        raise UsageError(
            f"{deadline!r} is not a time: write --deadline 2026-11-28T23:59, or with a zone: …T23:59+01:00"
        ) from None
    if late in {"refuse", "accept"}:
        return LatePolicy(when, 1 if late == "refuse" else 0)
    match = re.fullmatch(r"(\d+(?:\.\d+)?)%/(hour|day|week)", late)
    if match is None:
        raise UsageError(f"{late!r} is not a policy: --late takes refuse, accept, or a loss such as 10%/day or 5%/hour")
    return LatePolicy(when, float(match[1]) / 100, _SECONDS[match[2]])

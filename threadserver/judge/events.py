"""The messages between `asking` and `judge_process`: a request one way, events the other.

Each is a dataclass that is sent over a pipe as one line of JSON, with its name in the field ``event``.
"""

import json
from dataclasses import asdict, dataclass
from typing import Any

from threadserver.judge.outcomes import Outcome, Result


@dataclass(frozen=True, slots=True)
class Request:
    """What to judge, and by which rubric. No check begins after ``seconds``; an empty ``only`` means all checks."""

    folder: str
    rubric: str
    role: str
    model: str
    kit: bool
    only: list[str]
    seconds: float
    seed: int
    """Every random number and order of the verdict comes from it."""


@dataclass(frozen=True, slots=True)
class Begun:
    """The judge has begun; the containment's name, and a sentence on what it is worth."""

    containment: str
    sentence: str


@dataclass(frozen=True, slots=True)
class Judged:
    """One check has its result."""

    result: Result


@dataclass(frozen=True, slots=True)
class Noted:
    """Remarks on the submission that are not failures."""

    notes: list[str]


@dataclass(frozen=True, slots=True)
class Misused:
    """The request asks for something that does not exist."""

    problem: str


@dataclass(frozen=True, slots=True)
class Ended:
    """The judge has finished; ``problem`` says why it could not judge, and is empty when it could."""

    problem: str


Event = Request | Begun | Judged | Noted | Misused | Ended
_KINDS: dict[str, type[Event]] = {kind.__name__: kind for kind in (Request, Begun, Judged, Noted, Misused, Ended)}


def to_json(event: Event) -> str:
    """Return an event as one line of JSON, without the line's end."""
    return json.dumps({"event": type(event).__name__, **asdict(event)})


def from_json(line: str) -> Event:
    """Return the event that a line holds. Raises KeyError, TypeError or ValueError for anything else."""
    fields: dict[str, Any] = json.loads(line)
    kind = _KINDS[fields.pop("event")]
    if kind is Judged:
        result = fields["result"]
        return Judged(Result(**{**result, "outcome": Outcome(result["outcome"])}))
    return kind(**fields)

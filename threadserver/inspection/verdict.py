"""What an experiment says in the end: a model, and the testimony that it rests on."""

from dataclasses import asdict, dataclass, field
from typing import Any

ITERATIVE = "iterative"
THREADS = "thread-per-connection"
POOL = "thread-pool"
FORKS = "fork-per-connection"
PREFORK = "prefork"
LOOP = "event-loop"
LOOPS = "event-loops"
LOOP_AND_WORKERS = "event-loop-with-workers"
UNDETERMINED = "undetermined"

MODELS = (ITERATIVE, THREADS, POOL, FORKS, PREFORK, LOOP, LOOPS, LOOP_AND_WORKERS)
EVENT_DRIVEN = {LOOP, LOOPS, LOOP_AND_WORKERS}


@dataclass(frozen=True, slots=True)
class Testimony:
    """What one witness saw, and which models could have made it see that. No models: it cannot tell."""

    name: str
    allows: frozenset[str]
    evidence: str

    @property
    def says(self) -> str:
        """The models, in one line."""
        if not self.allows:
            return UNDETERMINED
        return " or ".join(model for model in MODELS if model in self.allows)

    def agrees(self, model: str) -> bool:
        """Tell whether the witness allows this model, or cannot tell."""
        return not self.allows or model in self.allows


@dataclass(frozen=True, slots=True)
class Verdict:
    """The answer of `classify`."""

    model: str
    workers: int | None
    mechanism: str | None
    sentence: str
    witnesses: tuple[Testimony, ...] = field(default_factory=tuple)

    def as_json(self) -> dict[str, Any]:
        """Plain data."""
        data = asdict(self)
        data["witnesses"] = [{"name": one.name, "says": one.says, "evidence": one.evidence} for one in self.witnesses]
        return data

"""The concurrency models by name, and testimony: what one witness saw, and the models that could look like that."""

from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from enum import StrEnum


class Model(StrEnum):
    """The concurrency models, by the names that `classify --json` gives them."""

    ITERATIVE = "iterative"
    THREADS = "thread-per-connection"
    POOL = "thread-pool"
    FORKS = "fork-per-connection"
    PREFORK = "prefork"
    LOOP = "event-loop"
    LOOPS = "event-loops"
    LOOP_AND_WORKERS = "event-loop-with-workers"
    UNDETERMINED = "undetermined"


MODELS = tuple(model for model in Model if model is not Model.UNDETERMINED)
EVENT_DRIVEN = frozenset({Model.LOOP, Model.LOOPS, Model.LOOP_AND_WORKERS})


@dataclass(frozen=True, slots=True)
class Testimony:
    """What one witness saw, and the models that could have produced it. No models: the witness cannot tell."""

    name: str
    allows: AbstractSet[Model]
    evidence: str

    @property
    def says(self) -> str:
        """The models that the witness allows, in one line."""
        if not self.allows:
            return Model.UNDETERMINED
        return " or ".join(model for model in MODELS if model in self.allows)

    def agrees(self, model: Model) -> bool:
        """Tell whether the witness allows this model, or cannot tell."""
        return not self.allows or model in self.allows

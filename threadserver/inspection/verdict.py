"""The result of an experiment: a model, and the testimony that it rests on."""

from dataclasses import asdict, dataclass, field
from typing import Any

from threadserver.kernel.testimony import Model, Testimony


@dataclass(frozen=True, slots=True)
class Verdict:
    """The answer of `classify`. ``workers`` and ``mechanism`` are None if unknown, or if the model has none."""

    model: Model
    workers: int | None
    mechanism: str | None
    sentence: str
    witnesses: tuple[Testimony, ...] = field(default_factory=tuple)

    def as_json(self) -> dict[str, Any]:
        """Return the verdict as plain data."""
        data = asdict(self)
        data["witnesses"] = [{"name": one.name, "says": one.says, "evidence": one.evidence} for one in self.witnesses]
        return data

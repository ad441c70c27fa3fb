"""Answers: a model with a sentence, filled in with the facts of the case."""

from threadserver.inspection.pattern import Pattern, manner, mechanism
from threadserver.inspection.verdict import Verdict
from threadserver.kernel.testimony import Model


def answer(
    model: Model, sentence: str, *, workers: int | None = None, loops: Pattern | None = None, **words: object
) -> Verdict:
    """Return a verdict for a model; ``loops`` is the pattern that shows its loops, if it has any."""
    tasks = list(loops.loops.values()) if loops else []
    words = {**words, "workers": workers, "how": manner(tasks)}
    return Verdict(model, workers or None, mechanism(tasks), sentence.format_map(words))


def undetermined(sentence: str, *, loops: Pattern | None = None, **words: object) -> Verdict:
    """Return a verdict that names no model."""
    return Verdict(
        Model.UNDETERMINED,
        None,
        None,
        sentence.format_map({**words, "how": manner(loops.loops.values() if loops else ())}),
    )

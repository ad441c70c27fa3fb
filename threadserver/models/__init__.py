"""Concurrency models: each is one function ``serve(server)`` in a file of its own, found by name or by path."""

from threadserver.errors import UsageError
from threadserver.loading import load
from threadserver.models import iterative, thread
from threadserver.server import Model

MODELS: dict[str, Model] = {"thread": thread.serve, "iterative": iterative.serve}


def find(name: str) -> Model:
    """Find a model by its name, or a user's own by the path of its file.

    Raises UsageError when there is none, in one line that lists what there is.
    """
    if name in MODELS:
        return MODELS[name]
    if "/" not in name and not name.endswith(".py"):
        raise UsageError(f"unknown model {name!r}: there are {', '.join(MODELS)}, or your own as path/to/file.py")
    model: Model = load(name, "serve", "a model is a function serve(server)")
    return model

"""Concurrency models: each is one function ``serve(server)`` in a file of its own, found by name or by path.

The kit ships two itself. Every other one is the reference solution of a lab, where the labs and their solutions are at
hand: the student edition leaves them out. Variants of them are the labs' alternatives that stand on the kit, such as
``prefork/mutex``.
"""

from pathlib import Path

from threadserver.core.errors import UsageError
from threadserver.core.loading import load
from threadserver.core.models import iterative, thread
from threadserver.core.server import Model

BUILT_IN: dict[str, Model] = {"thread": thread.serve, "iterative": iterative.serve}
# Beside this package, in the checkout as well as installed; whatever else is called "labs" is not meant.
LABS = Path(__file__).parents[2] / "labs"


def names() -> list[str]:
    """List the models that have a name here."""
    return [*BUILT_IN, *(name for name in sorted(_solutions()) if name not in BUILT_IN)]


def variants() -> dict[str, Path]:
    """Give the file of each variant of a model: LAB/ALTERNATIVE."""
    return {f"{file.parents[2].name}/{file.parent.name}": file for file in _on_the_kit("*/alternatives/*/server.py")}


def find(name: str) -> Model:
    """Find a model or a variant by its name, or a user's own by the path of its file.

    Raises UsageError when there is none, in one line that lists what there is.
    """
    if name in BUILT_IN:
        return BUILT_IN[name]
    if (shipped := _solutions().get(name) or variants().get(name)) is not None:
        path = str(shipped)
    elif "/" in name or name.endswith(".py"):
        path = name
    else:
        raise UsageError(f"unknown model {name!r}: there are {', '.join(names())}, or your own as path/to/file.py")
    model: Model = load(path, "serve", "a model is a function serve(server)")
    return model


def _solutions() -> dict[str, Path]:
    return {file.parents[1].name: file for file in _on_the_kit("*/solution/server.py")}


def _on_the_kit(pattern: str) -> list[Path]:
    """Find servers of the labs that stand on the kit; those from raw sockets are programs, and no models."""
    return [file for file in sorted(LABS.glob(pattern)) if "threadserver.main(serve)" in file.read_text()]

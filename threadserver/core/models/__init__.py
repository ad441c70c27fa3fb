"""Concurrency models: each is one function ``serve(server)`` in a file of its own, found by name or by path.

The kit ships two itself. Every other one is the reference solution of a lab, as that lab's ``lab.toml`` says
(``kit_model = true``), and is available wherever the solutions are: the student edition leaves them out. A lab's
``variants`` are those of its alternatives that are models too, such as ``prefork/mutex``.

Listing the names loads no model; finding a model loads that one alone.
"""

from contextlib import suppress
from pathlib import Path

from threadserver.core import labs
from threadserver.core.errors import UsageError
from threadserver.core.labs import Lab
from threadserver.core.loading import load
from threadserver.core.models import iterative, thread
from threadserver.core.server import Model

BUILT_IN: dict[str, Model] = {"thread": thread.serve, "iterative": iterative.serve}


def names() -> list[str]:
    """Return the names of the available models."""
    return [*BUILT_IN, *(name for name in _from_labs() if "/" not in name and name not in BUILT_IN)]


def variants() -> dict[str, Path]:
    """Return the file of each variant of a model, by its name LAB/ALTERNATIVE."""
    return {name: file for name, file in _from_labs().items() if "/" in name}


def find(name: str) -> Model:
    """Find a model or a variant by its name, or a user's own by the path of its file.

    Raises UsageError, in one line, when there is no such model, or when a lab promises one and its file has no
    ``serve``.
    """
    if name in BUILT_IN:
        return BUILT_IN[name]
    expected = "a model is a function serve(server)"
    if lab := _lab_of(name):
        path = str(lab.models[name])
        expected = f"{lab.folder / labs.FILE} says that it is the model {name!r}, and {expected}"
        if not Path(path).is_file():
            raise UsageError(f"there is no {path}: {expected}")
    elif "/" in name or name.endswith(".py"):
        path = name
    else:
        raise UsageError(f"unknown model {name!r}: there are {', '.join(names())}, or your own as path/to/file.py")
    model: Model = load(path, "serve", expected)
    return model


def file_of(name: str) -> Path:
    """Return the file of an available model, or of a variant. Raises KeyError for any other name."""
    return Path(__file__).with_name(f"{name}.py") if name in BUILT_IN else _from_labs()[name]


def _lab_of(name: str) -> Lab | None:
    """Find the lab that this model is named after. Raises UsageError when its lab.toml is wrong."""
    folder = labs.LABS / name.partition("/")[0]
    if not (folder.parent == labs.LABS and (folder / labs.FILE).is_file()):
        return None
    lab = labs.read(folder)
    return lab if name in lab.models else None


def _from_labs() -> dict[str, Path]:
    """Return the file of each model that a lab promises. A wrong lab.toml is left for `find` to report."""
    found: dict[str, Path] = {}
    for folder in labs.folders():
        with suppress(UsageError):
            found |= labs.read(folder).models
    return found

"""Contestants: the servers to compare, their names, and how each one is started.

======================  ==================================================================================
``thread``              a model of the kit: built in, or the solution of a lab
``prefork/mutex``       a variant of a model: an alternative of a lab that uses the kit
``peer:asyncio``        a well-known server, in ``peers/``
``mine/model.py``       your own model: a file with ``serve(server)`` that does not run by itself
``mine/server.py``      your own program, started as a submission is: ``python server.py HOST PORT [SERVICE]``
``mine/``               your own folder: its ``server.py`` of either kind, or its executable ``server``
======================  ==================================================================================

The family says what a model is built on; pictures colour each family.
"""

import ast
import importlib.util
import os
import sys
from collections import Counter
from collections.abc import Iterable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

from threadserver.comparison import launch
from threadserver.core import models
from threadserver.core.errors import UsageError
from threadserver.core.labs import PACKAGE
from threadserver.submission.containment import SELF_CHECK
from threadserver.submission.folder import SubmissionError
from threadserver.submission.folder import find as find_folder
from threadserver.submission.preparing import prepared

KIT = PACKAGE.parent
"""The folder of the packages: PYTHONPATH for an interpreter without the kit."""
_PEERS = Path(__file__).parent / "peers"

FAMILIES = {
    "one": "one client at a time",
    "threads": "threads",
    "processes": "processes",
    "loop": "event loop",
    "own": "yours",
}
_FAMILY = {
    "iterative": "one", "thread": "threads", "pool": "threads", "prethreaded": "threads", "fork": "processes",
    "prefork": "processes", "reuseport": "processes", "select": "loop", "poll": "loop", "epoll": "loop",
    "asyncio": "loop", "peer:socketserver": "threads", "peer:socketserver-fork": "processes", "peer:asyncio": "loop",
    "peer:gevent": "loop", "peer:uvloop": "loop", "pool/parent-passes": "processes",
}  # fmt: skip
ORDER = (
    "iterative", "fork", "prefork", "reuseport", "thread", "pool", "prethreaded", "select", "poll", "epoll", "asyncio",
)  # fmt: skip
"""The models of the kit, similar ones next to each other."""
SHORT = 2
"""Number of path parts in a name."""
NEEDS = {"gevent": "gevent", "uvloop": "uvloop"}
"""Peers that need a module to be installed."""


@dataclass(frozen=True, slots=True)
class Contestant:
    """A server that takes part in the comparison."""

    name: str
    kind: str
    """``model``, ``peer`` or ``submission``."""
    family: str
    """One of `FAMILIES`."""
    file: Path
    """The Python file or the program to run; for a submission that is a folder, the folder."""
    broken: SubmissionError | None = None
    """Why a folder cannot be run, or None."""

    def command(self, service: str, interpreter: str = sys.executable) -> list[str]:
        """Return the command that starts the server, with HOST and PORT still to fill in.

        ``echo`` is the default, so it is not named: a submission may ignore the third argument.
        """
        program = [str(self.file)] if self.file.suffix != ".py" else [interpreter, str(self.file)]
        if self.kind == "model":
            program.insert(1, str(Path(launch.__file__)))
        return [*program, "{host}", "{port}", *([] if service == "echo" else [service])]


def own() -> list[str]:
    """Return the names of the kit's models, similar ones next to each other. The student edition has only two."""
    known = models.names()
    return [name for name in ORDER if name in known] + [name for name in known if name not in ORDER]


def peers() -> list[str]:
    """Return the names of the well-known servers that can run here."""
    found = sorted(file.stem.removeprefix("with_").replace("_", "-") for file in _PEERS.glob("with_*.py"))
    return [f"peer:{name}" for name in found if _installed(name)]


def find(name: str) -> Contestant:
    """Find a contestant by its name or path. Raises UsageError, in one line that lists the known names."""
    if name in models.names():
        return Contestant(name, "model", _FAMILY.get(name, "own"), models.file_of(name))
    if variant := models.variants().get(name):
        return Contestant(name, "model", _FAMILY.get(name) or _FAMILY.get(name.partition("/")[0], "own"), variant)
    if name.startswith("peer:"):
        return _peer(name)
    path = Path(name)
    if path.is_dir() or (path.is_file() and (path.suffix == ".py" or os.access(path, os.X_OK))):
        return Contestant(_short(name), "model" if _is_model(path) else "submission", "own", path.absolute())
    if path.is_file():
        raise UsageError(f"{name} is neither a Python file nor executable; try chmod +x {name}")
    if path.suffix == ".py" or name.startswith((".", "/")):
        raise UsageError(f"no such file or folder: {name}")
    raise UsageError(
        f"unknown model {name!r}: there are {', '.join([*own(), *models.variants(), *peers()])}, "
        "or your own as path/to/file.py or path/to/folder"
    )


def gather(names: Iterable[str]) -> list[Contestant]:
    """Find all contestants, each once; if short names are equal, longer ones tell them apart."""
    found = list({one.file: one for one in map(find, names)}.values())
    parts = SHORT
    while len(times := Counter(one.name for one in found)) < len(found):
        parts += 1
        found = [one if times[one.name] == 1 else replace(one, name=_short(str(one.file), parts)) for one in found]
    return found


@contextmanager
def ready(contestants: Iterable[Contestant]) -> Iterator[list[Contestant]]:
    """Copy and build folders, once for all rounds; if that fails, the contestant is ``broken``.

    Raises SubmissionError for a folder without a submission.
    """
    with ExitStack() as stack:
        yield [_ready(one, stack) for one in contestants]


def _ready(one: Contestant, stack: ExitStack) -> Contestant:
    if not one.file.is_dir():
        return one
    submission = find_folder(one.file)
    try:
        made = stack.enter_context(prepared(submission, SELF_CHECK))
    except SubmissionError as error:
        return replace(one, broken=error)
    file = made.place.copy / ("server.py" if made.submission.kind == "python" else "server")
    return replace(one, file=file, kind="model" if _is_model(file) else one.kind)


def _is_model(path: Path) -> bool:
    """Tell whether a file only defines ``serve(server)``, and is not a program. The file is read, not run."""
    if path.suffix != ".py" or not path.is_file():
        return False
    try:
        tree = ast.parse(path.read_bytes())
    except (SyntaxError, ValueError):
        return False  # Python reports the error when the file is started
    defined = any(isinstance(node, ast.FunctionDef) and node.name == "serve" for node in tree.body)
    return defined and not any(map(_acts, tree.body)) and not _asks_for_its_name(tree)


def _acts(statement: ast.stmt) -> bool:
    """Tell whether a statement does something, such as ``main()`` or a loop; a docstring does nothing."""
    if isinstance(statement, ast.Expr):
        return not isinstance(statement.value, ast.Constant)
    return isinstance(statement, ast.For | ast.While | ast.With)


def _asks_for_its_name(tree: ast.Module) -> bool:
    """Tell whether the file may contain ``if __name__ == "__main__"``."""
    return any(isinstance(node, ast.Name) and node.id == "__name__" for node in ast.walk(tree))


def _peer(name: str) -> Contestant:
    plain = name.removeprefix("peer:")
    file = _PEERS / f"with_{plain.replace('-', '_')}.py"
    if file.is_file() and not _installed(plain):
        raise UsageError(f"{name} needs {NEEDS[plain]}, which is not installed: pip install {NEEDS[plain]}")
    if not file.is_file():
        raise UsageError(f"unknown peer {name!r}: there are {', '.join(peers())}")
    return Contestant(name, "peer", _FAMILY.get(name, "own"), file)


def _installed(plain: str) -> bool:
    return plain not in NEEDS or importlib.util.find_spec(NEEDS[plain]) is not None


def _short(name: str, parts: int = SHORT) -> str:
    """Shorten a path to its last parts, for tables and slides."""
    return printable("/".join(Path(os.path.normpath(name)).parts[-parts:]).lstrip("/"))


def printable(path: str) -> str:
    """Return a path as text, even if its bytes are not valid UTF-8."""
    return os.fsencode(path).decode("utf-8", "backslashreplace")


if __name__ == "__main__":  # for `make compare`
    print(*own(), *peers())

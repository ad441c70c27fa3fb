"""A submission is a folder: with server.py, or with a Makefile that builds ./server, or with a program ./server.

Other folders are often one step away from being a submission: the files are one folder deeper, a name begins with a
capital, a zip file has lost the executable bit. So the error names that step.
"""

import os
import sys
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from threadserver.core.errors import KitError
from threadserver.core.printable import printable
from threadserver.submission.executable import complaint

LEFT_OUT = {".git", "__pycache__", ".venv", ".mypy_cache", ".pytest_cache", ".ruff_cache"}
"""Names of folders that the author did not write."""
_DEPTH = 3  # levels of folders that are searched for a submission


class SubmissionError(KitError):
    """A folder that is not a submission, or one that cannot be built."""

    def __init__(self, message: str, contract: str = "", output: str = "") -> None:
        super().__init__(printable(message))
        self.contract = contract
        """The line of the contract that it breaks."""
        self.output = output
        """The output of its build, made safe to show."""


@dataclass(frozen=True, slots=True)
class Submission:
    """A folder whose kind is known."""

    folder: Path
    role: str
    """The role: "server" or "client"."""
    kind: str
    """The language: "python", or "program" for anything else."""
    notes: tuple[str, ...] = ()
    """Remarks for the student that are not errors."""

    @property
    def is_built(self) -> bool:
        """True when make must build it first."""
        return self.kind == "program" and (self.folder / "Makefile").is_file()


def holds(role: str) -> str:
    """Return the line of the contract on what a submission holds."""
    return (
        f"A submission is a folder with {role}.py, or with a Makefile that builds ./{role}, or with a program ./{role}."
    )


def runs(role: str) -> str:
    """Return the line of the contract on how it is run."""
    return f"It is started as `python {role}.py HOST PORT`, or as `./{role} HOST PORT`."


def find(folder: Path | str, role: str = "server") -> Submission:
    """Say what kind of submission a folder is. Raises SubmissionError when it is not one."""
    folder = Path(folder)
    names = _names(folder, role)
    if is_file(folder, f"{role}.py"):
        return Submission(folder, role, "python", tuple(_hiding(folder, names)))
    if is_file(folder, "Makefile"):
        return Submission(folder, role, "program")
    if is_file(folder, role):
        check_program(folder / role, role)
        return Submission(folder, role, "program")
    raise SubmissionError(_missing(folder, names, role), holds(role))


def check_program(path: Path, role: str) -> None:
    """Raise SubmissionError when a file cannot be run here."""
    if why := complaint(path):
        raise SubmissionError(why, runs(role))


def _names(folder: Path, role: str) -> list[str]:
    if folder.is_file():
        raise SubmissionError(f"{folder} is a file; name the folder that holds it: {folder.parent}", holds(role))
    try:
        return sorted(os.listdir(folder))  # noqa: PTH208
    except FileNotFoundError as error:
        raise SubmissionError(f"no such folder: {folder}", holds(role)) from error
    except OSError as error:
        raise KitError(f"cannot read {folder}: {(error.strerror or '').lower()}") from error


def is_file(folder: Path, name: str) -> bool:
    """Tell whether a name is a file of the folder itself, not a link to a file elsewhere."""
    path = folder / name
    return path.is_file() and path.resolve().is_relative_to(folder.resolve())


def _missing(folder: Path, names: list[str], role: str) -> str:
    """Return what is missing, and the step that mends it."""
    if not names:
        return f"{folder} is empty: there is no {role}.py in it"
    wanted = f"{role}.py"
    for name in names:
        if name.lower() in {wanted, role, "makefile"}:
            return _what_is_wrong_with(folder, name)
        if name.lower().startswith(f"{wanted}."):
            return f"there is no {wanted}, but there is a {name}: rename it"
    for inner in _inner_folders(folder, _DEPTH):
        for name in (wanted, "Makefile", role):
            if (inner / name).is_file():
                found = (inner / name).relative_to(folder)
                return f"there is no {wanted} in {folder}, but there is {found}: do you mean {inner}?"
    return f"there is no {wanted} in {folder}, no Makefile and no program {role}; there is {_few(names)}"


def _what_is_wrong_with(folder: Path, name: str) -> str:
    """Return why a file with the right name, or nearly the right name, cannot be used."""
    right = "Makefile" if name.lower() == "makefile" else name.lower()
    path = folder / name
    if path.is_dir():
        return f"{name} is a folder; it should be a file"
    if name != right:
        return f"there is no {right}, but there is a {name}: upper and lower case differ"
    if not path.is_symlink():
        return f"{name} is not a regular file"
    if not path.exists():
        return f"{name} is a link that leads in a circle or to nothing: put the file itself there"
    return f"{name} is a link to something outside the folder: put the file itself there"


def _inner_folders(folder: Path, depth: int) -> Iterator[Path]:
    """Yield the folders inside a folder, nearest first."""
    inner: list[Path] = []
    with suppress(OSError):
        inner = [path for path in sorted(folder.iterdir()) if path.is_dir() and not path.is_symlink()]
    inner = [path for path in inner if path.name not in LEFT_OUT][:100]
    yield from inner
    for path in inner if depth > 1 else []:
        yield from _inner_folders(path, depth - 1)


def _few(names: list[str]) -> str:
    return ", ".join(names[:5]) + (f" and {len(names) - 5} more" if len(names) > 5 else "")


def _hiding(folder: Path, names: list[str]) -> Iterator[str]:
    """Yield a remark for each file that hides a module of the same name: ``import`` looks in the folder first."""
    for name in names:
        module = name.removesuffix(".py")
        is_module = name.endswith(".py") or (folder / name / "__init__.py").is_file()
        if is_module and module == "threadserver":
            yield f"{name} in your folder hides the kit's module {module}"
        elif is_module and module in sys.stdlib_module_names and module not in sys.builtin_module_names:
            yield f"{name} in your folder hides the standard module {module}"

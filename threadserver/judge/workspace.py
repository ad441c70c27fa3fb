"""A student's own folder: starting a lab in it, and the student's progress.

``threadserver lab start`` copies a lab's handout and starter there, and a small file that says which lab it is.
"""

import json
import os
import shutil
import stat
import tomllib
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from threadserver.core.errors import KitError, UsageError, reason
from threadserver.core.labs import LABS, Lab, find, folders

MARK = ".threadserver.toml"
"""The file in a student's folder that says which lab was started there."""
MOST = 4096  # bytes of it that are read
_PROGRESS, _STARTED = "labs.json", "started.json"
"""What is remembered for this user: the last verdict on each lab, and the labs outside the kit that were started, by
folder."""


def lab_of(folder: Path) -> Lab:
    """Return the lab that was started in a folder. Raises UsageError when none was.

    A rubric is a program, and the mark is part of what a student hands in. So the mark alone leads only to labs of the
    kit; it leads to another lab where this user has started that lab in this folder.
    """
    try:
        name = str(tomllib.loads(_short_text(folder / MARK))["lab"])
    except (OSError, KeyError, ValueError):
        raise UsageError(
            f"{folder} does not say which lab it is for: add --lab NAME (a folder that `lab start` made needs none)"
        ) from None
    if name not in {one.name for one in folders()} and _known(_STARTED).get(str(folder.resolve())) != name:
        raise UsageError(f"{folder / MARK} names a lab outside the kit, {name!r}: say --lab PATH if you trust it")
    return find(name)


def _short_text(file: Path) -> str:
    """Read a small file. Raises OSError for anything else: a pipe would keep us waiting, a device would never end."""
    with open(os.open(file, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC), "rb") as opened:
        if not stat.S_ISREG(os.fstat(opened.fileno()).st_mode):
            raise OSError(f"{file} is not an ordinary file")
        return opened.read(MOST).decode()


def start(lab: Lab, target: Path, language: str = "python") -> list[Path]:
    """Copy a lab's handout and starter into ``target``, and return the files that were made. Overwrites nothing.

    Raises UsageError when the lab is not offered in that language, KitError when a file is in the way.
    """
    source = lab.folder / ("starter" if language == "python" else f"starter-{language}")
    if language not in lab.languages or not source.is_dir():
        raise UsageError(f"the lab {lab.name} is offered in {', '.join(lab.languages)}, not in {language}")
    pairs = [(file, target / file.relative_to(source)) for file in sorted(source.rglob("*")) if _is_source(file)]
    pairs += [(file, target / file.name) for file in (lab.handout, LABS / "PROTOCOL.md") if file.is_file()]
    taken = [str(new) for _, new in pairs if new.exists()]
    if (target / MARK).exists() or taken:
        raise KitError(f"{target} already holds {', '.join(taken) or MARK}; nothing was changed: choose another folder")
    with writing(target):
        for old, new in pairs:
            new.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(old, new)
            shutil.copymode(old, new)
        handout = target / lab.handout.name
        handout.write_text(handout.read_text().replace("](../", "]("))  # PROTOCOL.md now lies beside the handout
        outside = lab.folder.parent != LABS
        name = str(lab.folder.resolve()) if outside else lab.name
        (target / MARK).write_text(f'lab = "{name}"\n')
    if outside:
        _save(_STARTED, _known(_STARTED) | {str(target.resolve()): name})
    return [new for _, new in pairs]


@contextmanager
def writing(target: Path) -> Iterator[None]:
    """Raise KitError, in one line, when a file in ``target`` cannot be written."""
    try:
        yield
    except OSError as error:
        raise KitError(f"cannot write {error.filename or target}: {reason(error)}") from error


def _is_source(file: Path) -> bool:
    return file.is_file() and "__pycache__" not in file.parts


def submissions(lab: Lab, kind: str) -> Iterable[Path]:
    """Return the folders of a lab's own ``solution``, ``mistakes`` or ``alternatives``: none in a student edition."""
    if kind == "solution":
        return sorted(folder for folder in lab.folder.glob("solution*") if folder.is_dir())
    return sorted(
        folder for folder in (lab.folder / kind).glob("*") if folder.is_dir() and folder.name != "__pycache__"
    )


# The student's progress.


def remember(lab: Lab, folder: Path, score: float, max_score: float) -> None:
    """Save the last verdict on a folder in which the lab was started, for ``lab list``, if it can be written."""
    if not (folder / MARK).is_file():
        return
    _save(_PROGRESS, progress() | {lab.name: {"folder": str(folder.resolve()), "score": score, "max_score": max_score}})


def progress() -> dict[str, dict[str, Any]]:
    """Return the last verdict on each lab that was checked, by the lab's name."""
    return _known(_PROGRESS)


def unfinished(lab: Lab) -> list[str]:
    """Return the labs that ``lab`` needs and that have not passed every check yet, each with its last score."""
    done = progress()
    found = []
    for name in lab.needs:
        last = done.get(name)
        if last is None:
            found.append(f"{name} (not checked yet)")
        elif last["score"] < last["max_score"]:
            found.append(f"{name} ({last['score']:g} of {last['max_score']:g} points)")
    return found


def _known(name: str) -> dict[str, Any]:
    try:
        found = json.loads((_state() / name).read_text())
    except (OSError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}


def _save(name: str, what: dict[str, Any]) -> None:
    """Write a file of this user's, whole or not at all; where that is not possible, nothing is remembered."""
    with suppress(OSError):
        _state().mkdir(parents=True, exist_ok=True)
        beside = (_state() / name).with_suffix(f".{os.getpid()}")
        beside.write_text(json.dumps(what))
        beside.replace(_state() / name)


def _state() -> Path:
    state = os.environ.get("XDG_STATE_HOME") or Path.home() / ".local" / "state"
    return Path(state) / "threadserver"

"""Labs: where they are, what ``lab.toml`` says of them, and starting one in a folder of one's own.

A lab is a folder ``labs/NAME/`` (see labs/INSTRUCTORS.md), or any other folder that holds the same, by its path.
"""

import json
import os
import shutil
import tomllib
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from threadserver.core.errors import KitError, UsageError, reason
from threadserver.core.models import LABS

MARK = ".threadserver.toml"
"""The file by which a folder knows which lab was started in it."""


@dataclass(frozen=True, slots=True)
class Lab:
    """One lab. ``model`` is what must be found, as `classify` names it; empty where there is no server to look at."""

    name: str
    folder: Path
    title: str
    order: int
    model: str
    role: str
    kit: bool
    points: float
    seconds: float
    languages: tuple[str, ...]

    @property
    def rubric(self) -> Path:
        """The file with its checks."""
        return self.folder / "rubric.py"

    @property
    def handout(self) -> Path:
        """What a student reads first."""
        return self.folder / "README.md"


def labs() -> list[Lab]:
    """Every lab of the kit, in the order in which they are done."""
    return sorted((_read(file.parent) for file in LABS.glob("*/lab.toml")), key=lambda lab: lab.order)


def find(name: str) -> Lab:
    """Find a lab by its name, or by the path of its folder. Raises UsageError, in a line that lists what there is."""
    if "/" in name or name in {".", ".."}:
        return _read(Path(name))
    known = {lab.name: lab for lab in labs()}
    if name not in known:
        raise UsageError(f"unknown lab {name!r}: there are {', '.join(known)}, or another one's folder as a path")
    return known[name]


def lab_of(folder: Path) -> Lab:
    """Give the lab that was started in a folder. Raises UsageError when none was."""
    try:
        name = tomllib.loads((folder / MARK).read_text())["lab"]
    except (OSError, KeyError, ValueError):
        raise UsageError(
            f"which lab is {folder}? Say --lab NAME (`threadserver lab start NAME` makes a folder that knows)"
        ) from None
    return find(str(name))


def start(lab: Lab, target: Path, language: str = "python") -> list[Path]:
    """Copy a lab's handout and starter into ``target``, never over a file that is there; give the files that were made.

    Raises UsageError when the lab is not offered in that language, KitError when something is in the way.
    """
    source = lab.folder / ("starter" if language == "python" else f"starter-{language}")
    if language not in lab.languages or not source.is_dir():
        raise UsageError(f"the lab {lab.name} is offered in {', '.join(lab.languages)}, not in {language}")
    pairs = [(file, target / file.relative_to(source)) for file in sorted(source.rglob("*")) if _is_ours(file)]
    pairs.append((lab.handout, target / lab.handout.name))
    pairs += [(file, target / file.name) for file in _protocol()]
    taken = [str(new) for _, new in pairs if new.exists()]
    if (target / MARK).exists() or taken:
        raise KitError(f"{target} already holds {', '.join(taken) or MARK}; nothing was changed: choose another folder")
    try:
        for old, new in pairs:
            new.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(old, new)
            shutil.copymode(old, new)
        handout = target / lab.handout.name
        handout.write_text(handout.read_text().replace("](../", "]("))  # what it points to lies beside it now
        (target / MARK).write_text(f'lab = "{lab.name if lab.folder.parent == LABS else lab.folder.resolve()}"\n')
    except OSError as error:
        raise KitError(f"cannot write {error.filename or target}: {reason(error)}") from error
    return [new for _, new in pairs]


def _is_ours(file: Path) -> bool:
    return file.is_file() and "__pycache__" not in file.parts


def _protocol() -> list[Path]:
    """Give the file that all handouts point to."""
    return [file for file in (LABS / "PROTOCOL.md",) if file.is_file()]


def _read(folder: Path) -> Lab:
    try:
        said = tomllib.loads((folder / "lab.toml").read_text())
        return Lab(
            name=folder.resolve().name,
            folder=folder,
            title=said["title"],
            order=said.get("order", 1000),
            model=said.get("model", ""),
            role=said.get("role", "server"),
            kit=said.get("kit", False),
            points=said.get("points", 100),
            seconds=said.get("seconds", 600),
            languages=tuple(said.get("languages", ["python"])),
        )
    except OSError as error:
        raise UsageError(f"{folder} is no lab: cannot read its lab.toml: {reason(error)}") from error
    except (tomllib.TOMLDecodeError, KeyError) as error:
        raise UsageError(
            f"{folder}/lab.toml: {f'{error} is missing' if isinstance(error, KeyError) else error}"
        ) from error


# How far a student is.


def remember(lab: Lab, folder: Path, score: float, max_score: float) -> None:
    """Keep the last verdict on a folder in which the lab was started, for ``lab list``, where that can be written."""
    if not (folder / MARK).is_file():
        return
    known = progress()
    known[lab.name] = {"folder": str(folder.resolve()), "score": score, "max_score": max_score}
    with suppress(OSError):
        _progress_file().parent.mkdir(parents=True, exist_ok=True)
        beside = _progress_file().with_suffix(f".{os.getpid()}")
        beside.write_text(json.dumps(known))
        beside.replace(_progress_file())


def progress() -> dict[str, dict[str, Any]]:
    """Give the last verdict on each lab that was checked, by the lab's name."""
    try:
        found = json.loads(_progress_file().read_text())
    except (OSError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}


def _progress_file() -> Path:
    state = os.environ.get("XDG_STATE_HOME") or Path.home() / ".local" / "state"
    return Path(state) / "threadserver" / "labs.json"


def submissions(lab: Lab, kind: str) -> Iterable[Path]:
    """Give the lab's own ``solution``, ``mistakes`` or ``alternatives``, each a folder; none in a student edition."""
    if kind == "solution":
        return sorted(folder for folder in lab.folder.glob("solution*") if folder.is_dir())
    return sorted(
        folder for folder in (lab.folder / kind).glob("*") if folder.is_dir() and folder.name != "__pycache__"
    )

"""The labs: where their folders are, and what each one's ``lab.toml`` says.

A lab is a folder ``labs/NAME/``, or any other folder that holds the same files (labs/INSTRUCTORS.md lists them). The
judge and the models both ask here: ``lab.toml`` also says which solutions and alternatives are models of the kit.
"""

import tomllib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from threadserver.core.errors import UsageError, reason

PACKAGE = Path(__file__).parents[1]
"""The folder of this package. The labs are inside, in a checkout too; a student's own folder "labs" is never meant."""
LABS = PACKAGE / "labs"
FILE = "lab.toml"
EDITION = "edition.toml"
"""A file among the labs of a student edition: its ``rubrics`` says whether students have the checks."""


@dataclass(frozen=True, slots=True)
class Lab:
    """One lab: its folder, and what its ``lab.toml`` says."""

    name: str
    folder: Path
    title: str
    order: int
    model: str
    """The model that a submission must have, as `threadserver classify` names it; empty in a client lab."""
    role: str
    """``server`` or ``client``."""
    kit: bool
    """True when a submission may import threadserver."""
    kit_model: bool
    """True when ``solution/server.py`` is the kit's model of this name."""
    variants: tuple[str, ...]
    """The alternatives that are models of the kit, too: NAME/ALTERNATIVE."""
    points: float
    seconds: float
    """After this time the judge begins no further check."""
    languages: tuple[str, ...]
    needs: tuple[str, ...]
    """The labs that come before this one."""

    @property
    def rubric(self) -> Path:
        """The file with the lab's checks."""
        return self.folder / "rubric.py"

    @property
    def handout(self) -> Path:
        """The file that a student reads first."""
        return self.folder / "README.md"

    @property
    def models(self) -> dict[str, Path]:
        """The file of each model that this lab gives to the kit, by the model's name.

        The student edition has no solutions and no alternatives: then there is nothing to give.
        """
        found = {}
        if self.kit_model and (self.folder / "solution").is_dir():
            found[self.name] = self.folder / "solution" / "server.py"
        if (self.folder / "alternatives").is_dir():
            for name in self.variants:
                found[f"{self.name}/{name}"] = self.folder / "alternatives" / name / "server.py"
        return found


def labs() -> list[Lab]:
    """Return every lab of the kit, in the order in which a student does them. Raises UsageError as `read` does."""
    return sorted(map(read, folders()), key=lambda lab: lab.order)


def folders() -> list[Path]:
    """Return the folder of every lab of the kit, by name."""
    return sorted(file.parent for file in LABS.glob(f"*/{FILE}"))


def find(name: str) -> Lab:
    """Find a lab by its name, or by the path of its folder. Raises UsageError in a line that lists the labs."""
    if "/" in name or name in {".", ".."}:
        return read(Path(name))
    known = {folder.name: folder for folder in folders()}
    if name not in known:
        in_order = ", ".join(lab.name for lab in labs())
        here = (Path(name) / FILE).is_file()
        other = f"for the folder here say ./{name}" if here else "name a lab outside the kit by the path of its folder"
        raise UsageError(f"unknown lab {name!r}: there are {in_order}; {other}")
    return read(known[name])


def read(folder: Path) -> Lab:
    """Read what a folder's ``lab.toml`` says. Raises UsageError when there is none, or when it cannot be used."""
    file = folder / FILE
    try:
        said = tomllib.loads(file.read_text())
    except OSError as error:
        raise UsageError(f"{folder} is not a lab: cannot read its {FILE}: {reason(error)}") from error
    except ValueError as error:
        raise UsageError(f"{file}: {error}") from error
    _check(file, said)
    return Lab(
        name=folder.resolve().name,
        folder=folder,
        title=said["title"],
        order=said.get("order", 1000),
        model=said.get("model", ""),
        role=said.get("role", "server"),
        kit=said.get("kit", False),
        kit_model=said.get("kit_model", False),
        variants=tuple(said.get("variants", [])),
        points=said.get("points", 100),
        seconds=said.get("seconds", 600),
        languages=tuple(said.get("languages", ["python"])),
        needs=tuple(said.get("needs", [])),
    )


_TYPES: dict[str, tuple[type, ...]] = {
    "title": (str,), "order": (int,), "model": (str,), "role": (str,), "kit": (bool,), "kit_model": (bool,),
    "variants": (list,), "points": (int, float), "seconds": (int, float), "languages": (list,), "needs": (list,),
}  # fmt: skip


def _check(file: Path, said: dict[str, Any]) -> None:
    if "title" not in said:
        raise UsageError(f"{file}: 'title' is missing")
    for key, types in _TYPES.items():
        value = said.get(key)
        if value is not None and not isinstance(value, types):
            raise UsageError(f"{file}: {key} = {value!r} is not {' or '.join(one.__name__ for one in types)}")
        if isinstance(value, list) and not all(isinstance(one, str) for one in value):
            raise UsageError(f"{file}: {key} = {value!r} is not a list of strings")


def rubrics_are_hidden() -> bool:
    """Tell whether this is a student edition without the checks."""
    file = LABS / EDITION
    return file.is_file() and tomllib.loads(file.read_text()).get("rubrics") != "visible"


def unknown_keys(lab: Lab) -> list[str]:
    """Return the keys of a ``lab.toml`` that mean nothing, such as a misspelled ``kit_model``."""
    said = tomllib.loads((lab.folder / FILE).read_text())
    return [key for key in said if key not in _TYPES and key not in _RETIRED]


_RETIRED = {"services"}  # stood in every lab.toml of version 0.1, and was never used

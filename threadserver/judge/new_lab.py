"""Making a new lab: small but complete, it passes its own selftest before its author has changed a line.

A lab for the model `thread` is made from templates/new_lab. Every other model already has a lab, and the new lab begins
with that lab's rubric, starter and solution, and with the smallest of its mistakes and of its variants.
Handout and lab.toml are always new.
"""

import re
import shutil
from collections.abc import Iterable
from pathlib import Path
from string import Template

from threadserver.core.errors import KitError, UsageError
from threadserver.core.labs import FILE, LABS, labs, read
from threadserver.judge import rubric_reading
from threadserver.judge.workspace import submissions, writing
from threadserver.kernel.testimony import Model

TEMPLATES = Path(__file__).with_name("templates") / "new_lab"
COMPILED = "__pycache__"
"""The folder that pip fills when it installs the kit, in the templates too."""
NAME = re.compile(r"[a-z][a-z0-9_-]*")


def new(folder: Path, model: str = "thread", language: str = "python") -> list[Path]:
    """Make a lab in ``folder``, whose name becomes the lab's, and return its files.

    Raises UsageError for an impossible name, model or language, KitError when the folder already exists.
    """
    name = folder.resolve().name
    if not NAME.fullmatch(name):
        raise UsageError(f"{name!r} cannot name a lab: use lower-case letters, digits, - and _; begin with a letter")
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise KitError(f"{folder} already exists; nothing was changed: choose another name")
    parts = _from_templates() if model == "thread" else _from_lab(model)
    parts |= _in_language(model, language)
    with writing(folder):
        for part, source in parts.items():
            _copy(source, folder / part, {f"lab `{model}`": f"lab `{name}`", f"Lab {model}:": f"Lab {name}:"})
        _describe(folder, model, language)
    return sorted(file for file in folder.rglob("*") if file.is_file())


def _from_templates() -> dict[str, Path]:
    own = {file.name: file for file in (TEMPLATES / "thread").iterdir() if file.name != COMPILED}
    return {"starter": TEMPLATES / "starter", **own}


def _from_lab(model: str) -> dict[str, Path]:
    offered = {lab.name: lab for lab in labs() if lab.models.get(lab.name)}
    lab = offered.get(model)
    if lab is None:
        raise UsageError(f"no lab can be made for the model {model!r}: there are {', '.join(['thread', *offered])}")
    variants = [file.parent for key, file in lab.models.items() if key != lab.name]
    parts = {"rubric.py": lab.rubric, "starter": lab.folder / "starter", "solution": lab.folder / "solution"}
    for kind, folders in (("mistakes", submissions(lab, "mistakes")),
                          ("alternatives", variants or submissions(lab, "alternatives"))):  # fmt: skip
        smallest = min(folders, key=_size)
        parts[f"{kind}/{smallest.name}"] = smallest
    return parts


def _in_language(model: str, language: str) -> dict[str, Path]:
    """Find the starter and the solution in another language, in the lab that has them."""
    if language == "python":
        return {}
    parts = {part: LABS / model / part for part in (f"starter-{language}", f"solution-{language}")}
    if not all(folder.is_dir() for folder in parts.values()):
        having = sorted(folder.parent.name for folder in LABS.glob(f"*/solution-{language}"))
        raise UsageError(
            f"there is no solution in {language} for the model {model}"
            + (f"; there is one for {', '.join(having)}" if having else "")
        )
    return parts


def _size(folder: Path) -> int:
    return sum(file.stat().st_size for file in folder.rglob("*") if file.is_file())


def _copy(source: Path, target: Path, renamed: dict[str, str]) -> None:
    """Copy a file or a folder; where a file names the lab that it comes from, let it name the new lab."""
    target.parent.mkdir(parents=True, exist_ok=True)
    if source.is_dir():
        shutil.copytree(source, target, ignore=shutil.ignore_patterns(COMPILED))
    else:
        shutil.copyfile(source, target)
    for file in [target] if target.is_file() else [*target.rglob("*.py"), *target.rglob("*.c")]:
        text = file.read_text()
        for old, new in renamed.items():
            text = text.replace(old, new)
        file.write_text(text)


def _describe(folder: Path, model: str, language: str) -> None:
    """Write the lab's lab.toml and its handout, from what the rubric holds."""
    rubric = (folder / "rubric.py").resolve()
    checks = rubric_reading.read([rubric])[rubric]
    if isinstance(checks, str):
        raise KitError(f"{rubric} cannot be read: {checks}")
    alternatives = [file.name for file in (folder / "alternatives").iterdir()]
    values = {
        "name": folder.resolve().name,
        "title": f"{folder.resolve().name}: say in one line what it is about",
        "order": max((lab.order for lab in labs()), default=0) + 1,
        "model": Model.THREADS if model == "thread" else read(LABS / model).model,
        "variants": _quoted(name for name in alternatives if model == "thread" or name in read(LABS / model).variants),
        "languages": _quoted(dict.fromkeys(["python", language])),
        "points": f"{sum(worth for worth, _ in checks.values()):g}",
        "checks": "\n".join(f"| `{name}` | {worth:g} | {said} |" for name, (worth, said) in checks.items()),
    }
    for file in (FILE, "README.md"):
        (folder / file).write_text(Template((TEMPLATES / file).read_text()).substitute(values))


def _quoted(names: Iterable[str]) -> str:
    return ", ".join(f'"{name}"' for name in names)

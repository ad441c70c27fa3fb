"""Writing the student edition: a folder or a zip file, with its own ``make demo`` and ``make test``.

Only named kinds of files go in: of a lab, its handout, its starters and, if they are open, its checks; of the package,
its modules and templates. So editors' backups and compiled files stay out, and so does Git's history. The templates of
`lab new` and the well-known servers of a comparison are left out, because each of them solves a lab. The links
threadserver/labs and threadserver/clients become folders, since some zip programs drop links.
"""

import configparser
import importlib.metadata
import io
import re
import shutil
import tempfile
import zipfile
from collections.abc import Iterable, Iterator
from pathlib import Path

from threadserver.core.errors import KitError, UsageError, reason
from threadserver.core.labs import EDITION, LABS, PACKAGE, Lab
from threadserver.releasing.leak_check import leaks

CHECKOUT = PACKAGE.parent
RUBRICS = ("visible", "names", "none")
"""Whether students get the checks themselves, the table of them in the handout, or neither."""
_SUFFIXES = {".py", ".j2", ".typed"}
_NOT_FOR_STUDENTS = ("judge/templates/new_lab/", "comparison/peers/with_", "releasing/templates/")
_CHECKS = "judge/checks/"
_TABLE = re.compile(r"^\| check \|.*\n(?:\|.*\n)*", re.MULTILINE)
_TEMPLATES = Path(__file__).with_name("templates")


def release(target: Path, labs: Iterable[Lab], rubrics: str = "visible") -> list[Path]:
    """Write the student edition with these labs to a new folder, or to a file that ends in ``.zip``. Return its files.

    Raises UsageError outside a checkout, KitError when the target exists, cannot be written, or would hold a part of
    a solution.
    """
    if target.exists():
        raise KitError(f"{target} already exists; nothing was changed: choose another name")
    chosen = list(labs)
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix=".release-", dir=target.parent) as folder:
            made = Path(folder) / "threadserver-student"
            files = write(made, chosen, rubrics)
            if target.suffix == ".zip":
                _zip(made, Path(folder) / "edition.zip")
                (Path(folder) / "edition.zip").replace(target)
            else:
                made.replace(target)
            return [target / name for name in files]
    except OSError as error:
        raise KitError(f"cannot write {error.filename or target}: {reason(error)}") from error


def write(made: Path, labs: list[Lab], rubrics: str) -> list[str]:
    """Write the edition to a folder that does not exist yet; return the names of its files.

    Raises UsageError outside a checkout, KitError when it would hold a part of a solution.
    """
    if not (CHECKOUT / "setup.cfg").is_file():
        raise UsageError("only a checkout can write the student edition: an installed kit lacks its setup.cfg")
    names = []
    for name, text in _files(labs, rubrics):
        _write(made / name, text)
        names.append(name)
    if found := leaks(made, LABS):
        raise KitError(f"the student edition would hold a part of a solution; nothing was written: {found[0]}")
    return sorted(names)


def _files(labs: list[Lab], rubrics: str) -> Iterator[tuple[str, bytes | Path]]:
    """Yield all files of the edition: the name, and the text or the file to copy."""
    for name in ("LICENSE", "pyproject.toml", "docs/setup.md"):
        yield name, _build_system_only() if name == "pyproject.toml" else CHECKOUT / name
    yield "setup.cfg", _metadata()
    yield "README.md", _TEMPLATES / "README.md"
    yield "Makefile", _TEMPLATES / "Makefile"
    yield "tests/test_student_edition.py", _TEMPLATES / "test_student_edition.py.in"
    for file in sorted(PACKAGE.rglob("*")):
        if "labs" not in file.relative_to(PACKAGE).parts[:1] and _belongs(file, rubrics):
            yield f"threadserver/{file.relative_to(PACKAGE)}", file
    for file in sorted((PACKAGE / "clients").resolve().rglob("*.py")):
        yield f"threadserver/clients/{file.relative_to((PACKAGE / 'clients').resolve())}", file
    yield "threadserver/labs/__init__.py", LABS / "__init__.py"
    yield "threadserver/labs/PROTOCOL.md", LABS / "PROTOCOL.md"
    version = importlib.metadata.version("threadserver")
    yield f"threadserver/labs/{EDITION}", f'rubrics = "{rubrics}"\nkit = "{version}"\n'.encode()
    names = {lab.name for lab in labs}
    for lab in labs:
        yield from ((f"threadserver/labs/{lab.name}/{name}", text) for name, text in _of_lab(lab, names, rubrics))


def _of_lab(lab: Lab, names: set[str], rubrics: str) -> Iterator[tuple[str, bytes | Path]]:
    handout, described = lab.handout.read_text("utf-8"), (lab.folder / "lab.toml").read_text("utf-8")
    needs = ", ".join(f'"{name}"' for name in lab.needs if name in names)
    yield "lab.toml", re.sub(r"^needs = .*$", f"needs = [{needs}]", described, flags=re.MULTILINE).encode()
    yield lab.handout.name, (_TABLE.sub("", handout) if rubrics == "none" else handout).encode()
    if rubrics == "visible":
        yield lab.rubric.name, lab.rubric
    for language in lab.languages:
        starter = lab.folder / ("starter" if language == "python" else f"starter-{language}")
        for file in sorted(starter.rglob("*")):
            if file.is_file() and "__pycache__" not in file.parts:
                yield str(file.relative_to(lab.folder)), file


def _belongs(file: Path, rubrics: str) -> bool:
    name = str(file.relative_to(PACKAGE))
    if not file.is_file() or file.suffix not in _SUFFIXES or name.startswith(_NOT_FOR_STUDENTS):
        return False
    return rubrics == "visible" or not name.startswith(_CHECKS) or name == f"{_CHECKS}__init__.py"


def _metadata() -> bytes:
    """Return setup.cfg without what only the developers of the kit need."""
    settings = configparser.ConfigParser(interpolation=None)
    settings.read(CHECKOUT / "setup.cfg", "utf-8")
    for section in [name for name in settings.sections() if name.startswith("coverage:")]:
        settings.remove_section(section)
    settings["options.extras_require"] = {"test": "\npytest >= 8"}
    written = io.StringIO()
    settings.write(written)
    return written.getvalue().encode()


def _build_system_only() -> bytes:
    text = (CHECKOUT / "pyproject.toml").read_text("utf-8")
    return re.sub(r"(?s)^# .*?\n|\[tool\..*", "", text).encode()


def _write(target: Path, text: bytes | Path) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    if isinstance(text, Path):
        shutil.copyfile(text, target)
        shutil.copymode(text, target)
    else:
        target.write_bytes(text)


def _zip(folder: Path, target: Path) -> None:
    with zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED) as archive:
        for file in sorted(folder.rglob("*")):
            if file.is_file():
                archive.write(file, file.relative_to(folder.parent))

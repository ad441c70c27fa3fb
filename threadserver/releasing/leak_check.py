"""Looking for a solution's text where students will look: every file of an edition, whatever its kind.

A text is a row of lines without their indentation, blank lines and comments. If a solution, mistake or alternative
holds RUN lines in a row that no starter and no documented model holds, these must not appear anywhere in the edition.
"""

import re
from collections.abc import Iterable, Iterator
from pathlib import Path

KINDS = ("solution*", "mistakes/*", "alternatives/*")
RUN = 3
LEAST = 60  # characters in such a run: fewer prove nothing, such as three brackets
_COMMENT = ("#", "//", '"""', "'''")
_IMPORT = re.compile(r"(?:from \S+ )?import |#include ")


def leaks(edition: Path, labs: Path) -> list[str]:
    """Return where an edition holds a part of what the labs keep from students: file, and whose text it is."""
    secret: dict[str, Path] = {}
    for file in _files(folder for kind in KINDS for folder in labs.glob(f"*/{kind}")):
        for run in _runs(file):
            secret.setdefault(run, file)
    for file in (*_files(labs.glob("*/starter*")), *(labs.parent / "core" / "models").glob("*.py")):
        for run in _runs(file):
            secret.pop(run, None)
    found = []
    for file in _files([edition]):
        name = file.relative_to(edition)
        if set(name.parts) & {"solution", "solution-c", "mistakes", "alternatives"}:
            found.append(f"{name} is a solution")
        found += [f"{name} holds lines of {secret[run].relative_to(labs)}" for run in _runs(file) if run in secret][:1]
    return found


def _files(folders: Iterable[Path]) -> Iterator[Path]:
    for folder in folders:
        yield from (file for file in sorted(folder.rglob("*")) if file.is_file() and "__pycache__" not in file.parts)


def _runs(file: Path) -> Iterator[str]:
    text = file.read_bytes().decode("utf-8", "replace")
    lines = [line for line in map(str.strip, text.splitlines()) if line and not line.startswith(_COMMENT)]
    for at in range(len(lines) - RUN + 1):
        run = lines[at : at + RUN]
        if sum(map(len, run)) >= LEAST and not all(map(_IMPORT.match, run)):
            yield "\n".join(run)

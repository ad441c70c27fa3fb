"""What a platform exports, read as hand-ins: each student's files, and their time.

==============  ========================================================================================
moodle          ``NAME_NUMBER_assignsubmission_file_/…``, or the same in front of each file's name
gradescope      ``submission_N/…`` beside a ``submission_metadata.yml`` that says whose each is
canvas          ``lastfirst_[LATE_]USER_FILE_NAME`` for each file; ``-1`` in NAME marks a later attempt
classroom50     ``CLASSROOM-ASSIGNMENT-USERNAME/`` beside a ``scores.csv``, as ``gh teacher download`` writes it
plain           a folder or an archive for each student; a folder of several archives is several hand-ins
==============  ========================================================================================

Any other entry is reported as a problem: nothing is skipped silently. A hand-in's time is the platform's if it states
one, otherwise the latest time of its files. Canvas says only whether a hand-in is late.
"""

import csv
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from threadserver.core.errors import KitError, UsageError, reason
from threadserver.core.printable import printable
from threadserver.grading.archives import JUNK, is_archive, stem

_MOODLE = re.compile(r"(?P<name>.+?)_(?P<number>\d+)_assignsubmission_(?P<kind>file|onlinetext)(?:_(?P<rest>.*))?")
_CANVAS = re.compile(r"(?P<name>[^_]+)_(?P<late>LATE_)?(?P<user>\d+)_(?P<file>\d+)_(?P<rest>.+)")
_ATTEMPT = re.compile(r"-\d+(?=(\.[A-Za-z0-9]+)*$)")
_GRADESCOPE = "submission_metadata.yml"
_CLASSROOM50 = "scores.csv"


@dataclass(frozen=True, slots=True)
class HandIn:
    """What one student handed in at one time."""

    student: str
    """The platform's own name or number for the student, unique in the class."""
    name: str
    """The student's name, for people."""
    files: tuple[tuple[str, Path], ...]
    """Each file's name in the submission, and where it lies; one folder or one archive stands for all it holds."""
    when: datetime | None = None
    """When it was handed in, in UTC."""
    late: bool = False
    """True when the platform itself marks it as late."""
    also: tuple[str, ...] = ()
    """Other names by which a gradebook may know the student: an address, a login."""
    left_out: frozenset[str] = frozenset()
    """Files at its top that the platform added."""


@dataclass(slots=True)
class Export:
    """All hand-ins of a class."""

    platform: str
    hand_ins: list[HandIn] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)
    """What could not be read, each in one line."""

    def students(self) -> dict[str, list[HandIn]]:
        """Return the hand-ins of each student, the earliest first."""
        found: dict[str, list[HandIn]] = {}
        for one in sorted(self.hand_ins, key=lambda one: (one.student, one.when or datetime.min.replace(tzinfo=UTC))):
            found.setdefault(one.student, []).append(one)
        return found


def read(folder: Path, platform: str = "") -> Export:
    """Read an export from a folder. Without a ``platform``, it is recognised from the file names.

    Raises UsageError when nothing was handed in, KitError when the platform's own lists cannot be read.
    """
    folder = _seen_through(folder)
    platform = platform or _platform_of(folder)
    export = Export(platform)
    READERS[platform](folder, export)
    if not export.hand_ins:
        raise UsageError(f"{folder} holds no hand-in that {platform} would export; --from names another platform")
    export.hand_ins = [_harmless(one) for one in export.hand_ins]
    if platform != "canvas":  # its files have the time of the export
        export.hand_ins = [one if one.when else replace(one, when=_latest(one)) for one in export.hand_ins]
    return export


def _harmless(hand_in: HandIn) -> HandIn:
    """Return a hand-in whose names can be printed and stored, whatever bytes they were made of."""
    also = tuple(map(printable, hand_in.also))
    return replace(hand_in, student=printable(hand_in.student), name=printable(hand_in.name), also=also)


def _seen_through(folder: Path) -> Path:
    """Go down as long as a folder holds only one folder, with a platform's whole export."""
    inner = _entries(folder)
    if len(inner) == 1 and inner[0].is_dir() and _platform_of(inner[0]) != "plain":
        return inner[0]
    return folder


def _entries(folder: Path) -> list[Path]:
    try:
        return sorted(one for one in folder.iterdir() if one.name not in JUNK and not one.name.startswith("._"))
    except OSError as error:
        raise KitError(f"cannot read {folder}: {reason(error)}") from error


def _platform_of(folder: Path) -> str:
    names = [one.name for one in _entries(folder)]
    if _GRADESCOPE in names:
        return "gradescope"
    if any(map(_MOODLE.fullmatch, names)):
        return "moodle"
    if _CLASSROOM50 in names:
        return "classroom50"
    return "canvas" if any(map(_CANVAS.fullmatch, names)) else "plain"


def _latest(hand_in: HandIn) -> datetime | None:
    """Return the latest time of a hand-in's files."""
    files = [path for _, path in hand_in.files]
    files += [inner for path in files if path.is_dir() for inner in path.rglob("*")]
    times = [path.lstat().st_mtime for path in files if not path.is_dir() and not JUNK & set(path.parts)]
    return datetime.fromtimestamp(max(times), UTC) if times else None


# Each platform.


def _moodle(folder: Path, export: Export) -> None:
    found: dict[str, HandIn] = {}
    for entry in _entries(folder):
        match = _MOODLE.fullmatch(entry.name)
        if match is None or (entry.is_file() and not match["rest"]):
            export.problems.append(_unknown(entry, "Moodle"))
        elif match["kind"] == "file":
            files = (("", entry),) if entry.is_dir() else ((match["rest"], entry),)
            one = found.setdefault(match["number"], HandIn(match["number"], match["name"], ()))
            found[match["number"]] = replace(one, files=one.files + files)
    export.hand_ins += found.values()


def _canvas(folder: Path, export: Export) -> None:
    found: dict[str, HandIn] = {}
    for entry in _entries(folder):
        match = _CANVAS.fullmatch(entry.name)
        if match is None:
            export.problems.append(_unknown(entry, "Canvas"))
            continue
        one = found.setdefault(match["user"], HandIn(match["user"], match["name"], ()))
        files = (*one.files, (_ATTEMPT.sub("", match["rest"]), entry))
        found[match["user"]] = replace(one, files=files, late=one.late or bool(match["late"]))
    export.hand_ins += found.values()


def _gradescope(folder: Path, export: Export) -> None:
    listed = _yaml(folder / _GRADESCOPE)
    for entry in _entries(folder):
        said = listed.get(entry.name)
        if not isinstance(said, dict) or not said.get(":submitters"):
            if entry.name != _GRADESCOPE:
                export.problems.append(_unknown(entry, "Gradescope"))
            continue
        for submitter in said[":submitters"]:  # a group's grade is each member's
            names = [str(submitter[key]) for key in (":sid", ":email", ":name") if submitter.get(key)]
            if names:
                name = str(submitter.get(":name") or names[0])
                files = (("", entry),) if entry.is_dir() else ((entry.name, entry),)
                export.hand_ins.append(HandIn(names[0], name, files, _time(said.get(":created_at")), also=tuple(names)))


def _yaml(file: Path) -> dict[str, Any]:
    try:
        import yaml
    except ImportError:
        raise UsageError(f"{file.name} cannot be read without PyYAML: pip install 'threadserver[grading]'") from None
    try:
        said = yaml.safe_load(file.read_text("utf-8"))
    except (OSError, ValueError, yaml.YAMLError) as error:
        raise KitError(f"cannot read {file}: {' '.join(str(error).split())}") from error
    return said if isinstance(said, dict) else {}


def _classroom50(folder: Path, export: Export) -> None:
    with (folder / _CLASSROOM50).open(encoding="utf-8-sig", newline="") as file:
        rows = [row for row in csv.DictReader(file) if row.get("username")]
    by_name: dict[str, dict[str, str]] = {}
    for row in rows:  # one row for each submission; the clone is the latest
        last = by_name.setdefault(row["username"].lower(), row)
        if (row.get("datetime") or "") > (last.get("datetime") or ""):
            by_name[row["username"].lower()] = row
    for entry in _entries(folder):
        if not entry.is_dir():
            if entry.name != _CLASSROOM50:
                export.problems.append(_unknown(entry, "Classroom 50"))
            continue
        users = [user for user in by_name if entry.name.lower().endswith(f"-{user}")]
        if not users:
            export.problems.append(_unknown(entry, "Classroom 50"))
            continue
        user = max(users, key=len)
        said = by_name[user]
        name = " ".join(filter(None, (said.get("first_name"), said.get("last_name")))) or user
        also = tuple(filter(None, (said.get("email"),)))
        added = frozenset({"result.json", "results.json"})
        late = said.get("late") == "true"
        export.hand_ins.append(HandIn(user, name, (("", entry),), _time(said.get("datetime")), late, also, added))


def _plain(folder: Path, export: Export) -> None:
    for entry in _entries(folder):
        if entry.is_dir():
            inner = _entries(entry)
            several = len(inner) > 1 and all(is_archive(one) for one in inner)
            for one in inner if several else [entry]:
                export.hand_ins.append(HandIn(entry.name, entry.name, (("", one),)))
        elif is_archive(entry):
            export.hand_ins.append(HandIn(stem(entry), stem(entry), (("", entry),)))
        else:
            export.problems.append(_unknown(entry, "a class of folders and archives"))


READERS: dict[str, Callable[[Path, Export], None]] = {
    "moodle": _moodle,
    "gradescope": _gradescope,
    "canvas": _canvas,
    "classroom50": _classroom50,
    "plain": _plain,
}


def _unknown(entry: Path, platform: str) -> str:
    return printable(f"{entry.name}: not a hand-in as {platform} exports it; left out")


def _time(said: object) -> datetime | None:
    """Read a platform's time, such as ``2026-09-10 23:11:49.394459000 Z``; one without a zone is in UTC."""
    if isinstance(said, str):
        text = re.sub(r"(\.\d{1,6})\d*", r"\1", said.strip().replace(" Z", "Z").replace(" UTC", "Z"))
        try:
            said = datetime.fromisoformat(re.sub(r" ([+-]\d\d:?\d\d)$", r"\1", text))
        except ValueError:
            return None
    if not isinstance(said, datetime):
        return None
    return said.astimezone(UTC) if said.tzinfo else said.replace(tzinfo=UTC)


def names_of(hand_in: HandIn) -> Iterator[str]:
    """Yield every name by which a list may identify the student, the most reliable first."""
    yield from (hand_in.student, *hand_in.also, hand_in.name)

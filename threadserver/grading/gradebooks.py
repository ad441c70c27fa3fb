"""Grades as CSV: a table of the kit's own, and the platform's exported gradebook filled in.

A gradebook is never written from nothing: the platform must recognise its own rows and headings. So the file that it
exported is filled in, and comes back with one column changed.

canvas   the column of the assignment, ``TITLE (NUMBER)``; the row ``Points Possible`` says its maximum
moodle   the offline grading worksheet. Its headings are in the site's language, so its columns are known by what they
         hold: the maximum grade is the same number in each row, and the grade stands left of it

A spreadsheet runs a cell that begins with ``=``, ``+``, ``-`` or ``@`` as a formula: `cell` puts an
apostrophe in front (OWASP, CSV Injection).
"""

import csv
import io
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from threadserver.core.errors import UsageError, reason
from threadserver.core.printable import printable
from threadserver.grading.grade_store import Grade
from threadserver.judge.outcomes import Verdict

_NUMBER = re.compile(r"[+-]?\d+(?:[.,]\d+)?")
_CANVAS_TITLE = re.compile(r".+ \(\d+\)")
_POSSIBLE = "points possible"


def cell(value: object) -> str:
    """Return a value as a cell that no spreadsheet runs as a formula, without control characters."""
    text = printable(str(value), keep="\n")
    harmless = not text or text[0] not in "=+-@|%" or _NUMBER.fullmatch(text) or text == "-"
    return text if harmless else f"'{text}"


def table(grades: Iterable[tuple[Grade, Verdict | None, str]]) -> str:
    """Return all grades as CSV: a row for each student, with the time of the hand-in, and a column for each check."""
    rows = list(grades)
    checks = list(dict.fromkeys(check.name for _, verdict, _ in rows if verdict for check in verdict.checks))
    written = io.StringIO()
    out = csv.writer(written, lineterminator="\n")
    out.writerow(["student", "name", "points", "max_points", "state", "late", "handed_in", *map(cell, checks),
                  "containment", "seed", "kit", "note"])  # fmt: skip
    for grade, verdict, handed_in in rows:
        earned = {check.name: f"{check.points:g}" for check in verdict.checks} if verdict else {}
        out.writerow(
            map(cell, (
                grade.student, grade.name, "" if grade.points is None else f"{grade.points:g}", f"{grade.max_points:g}",
                grade.state, "yes" if grade.late else "", handed_in, *(earned.get(name, "") for name in checks),
                verdict.containment if verdict else "", verdict.seed if verdict else "", grade.kit, grade.note,
            ))
        )  # fmt: skip
    return written.getvalue()


@dataclass(slots=True)
class Filled:
    """A gradebook that was filled in."""

    text: str
    matched: list[str]
    """The students who have a row."""
    missing: list[str]
    """The students with a grade and without a row."""


@dataclass(frozen=True, slots=True)
class _Columns:
    grade: int
    identity: list[int]
    """The columns that may name a student, the most reliable first."""
    maximum: list[float]
    """The most points, for each row after the heading."""
    first: int
    """The first row of a student, counted after the heading."""


def fill(file: Path, grades: dict[str, Grade], names: dict[str, list[str]], column: str = "") -> Filled:
    """Fill grades into a gradebook that a platform exported; ``names`` lists what each student may be called there.

    A grade is scaled from the lab's points to the gradebook's. ``column`` is the heading of the column to fill, if it
    cannot be found otherwise. Raises UsageError when the file is not such a gradebook.
    """
    try:
        text = file.read_text("utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        why = reason(error) if isinstance(error, OSError) else "it is not in UTF-8"
        raise UsageError(f"cannot read {file}: {why}") from error
    separator = max(",;\t", key=text.partition("\n")[0].count)
    rows = list(csv.reader(io.StringIO(text, newline=""), delimiter=separator))
    if len(rows) < 2:
        raise UsageError(f"{file} holds no student")
    columns = (
        _canvas(file, rows, column)
        if "SIS Login ID" in rows[0] or "SIS User ID" in rows[0]
        else _moodle(file, rows, column)
    )
    students = _index(names)
    comma = any(re.fullmatch(r"\d+,\d+", one) for row in rows[1:] for one in row)
    matched = _match(rows[1 + columns.first :], columns.identity, students)
    for student, at in matched.items():
        grade, row, most = grades.get(student), rows[1 + columns.first + at], columns.maximum[columns.first + at]
        if grade is not None and grade.points is not None and grade.max_points:
            written = f"{round(grade.points * most / grade.max_points, 2):g}"
            row[columns.grade] = written.replace(".", ",") if comma else written
    written_rows = io.StringIO()
    out = csv.writer(written_rows, delimiter=separator, lineterminator="\r\n" if "\r\n" in text else "\n")
    out.writerow(rows[0])
    out.writerows([cell(one) for one in row] for row in rows[1:])
    missing = sorted(
        student for student, grade in grades.items() if student not in matched and grade.points is not None
    )
    begins_with_mark = file.read_bytes().startswith(b"\xef\xbb\xbf")
    return Filled(("\ufeff" if begins_with_mark else "") + written_rows.getvalue(), list(matched), missing)


def _canvas(file: Path, rows: list[list[str]], column: str) -> _Columns:
    heading = rows[0]
    titles = [name for name in heading if _CANVAS_TITLE.fullmatch(name)]
    wanted = [name for name in titles if name == column or name.rpartition(" (")[0] == column] if column else titles
    if len(wanted) != 1:
        listed = ", ".join(repr(printable(name)) for name in titles) or "none"
        raise UsageError(f"which assignment of {file}? Say --column TITLE; there are: {listed}")
    at = heading.index(wanted[0])
    possible = next(
        (number for number, row in enumerate(rows[1:]) if row and row[0].strip().lower() == _POSSIBLE), None
    )
    most = _number(rows[1 + possible][at]) if possible is not None else None
    if possible is None or not most:
        raise UsageError(f"{file} has no row 'Points Possible' with a number for {printable(wanted[0])}")
    identity = [heading.index(name) for name in ("ID", "SIS User ID", "SIS Login ID", "Student") if name in heading]
    return _Columns(at, identity, [most] * (len(rows) - 1), possible + 1)


def _moodle(file: Path, rows: list[list[str]], column: str) -> _Columns:
    heading, body = rows[0], [row for row in rows[1:] if len(row) == len(rows[0])]
    if len(body) != len(rows) - 1:
        raise UsageError(f"{file} has rows of different lengths: export it again")
    maxima = [
        at
        for at in range(2, len(heading))
        if len(values := {_number(row[at]) for row in body}) == 1
        and not values & {None, 0}
        and all(not row[at - 1].strip() or _number(row[at - 1]) is not None for row in body)
    ]  # fmt: skip
    if column:
        if column not in heading:
            raise UsageError(f"{file} has no column {column!r}: there are {', '.join(map(printable, heading))}")
        maxima = [heading.index(column) + 1]
    if len(maxima) != 1 or maxima[0] >= len(heading):
        raise UsageError(
            f"{file} is neither Canvas's gradebook nor Moodle's grading worksheet; --column HEADING names the column"
        )
    identity = list(range(maxima[0] - 1))
    most = [_number(row[maxima[0]]) for row in body]
    if not all(most):
        raise UsageError(f"{file}: the column right of {column!r} does not hold the maximum grade")
    return _Columns(maxima[0] - 1, identity, [one or 0 for one in most], 0)


def _number(text: str) -> float | None:
    text = text.strip()
    return float(text.replace(",", ".")) if _NUMBER.fullmatch(text) else None


def _match(rows: list[list[str]], identity: list[int], students: dict[str, str]) -> dict[str, int]:
    """Return the row of each student. Each has one at most, and the surer column decides: a name can be chosen."""
    found: dict[str, int] = {}
    for column in identity:
        for at, row in enumerate(rows):
            if at not in found.values():
                student = next((students[key] for key in _keys(row, column) if key in students), None)
                if student is not None:
                    found.setdefault(student, at)
    return found


def _index(names: dict[str, list[str]]) -> dict[str, str]:
    """Return the student that each name means: first the platform's own; one that two students have means neither."""
    own = {_key(student): student for student in names}
    found: dict[str, set[str]] = {}
    for student, known in names.items():
        for name in known:
            found.setdefault(_key(name), set()).add(student)
    return {key: next(iter(students)) for key, students in found.items() if len(students) == 1} | own


def _keys(row: list[str], column: int) -> Iterator[str]:
    """Yield what a cell may call its student. Moodle's identifier is a word and the number: ``Participant 42``."""
    if column < len(row) and row[column].strip():
        yield _key(row[column])
        if column == 0 and (match := re.search(r"\d+$", row[column].strip())):
            yield match[0]


def _key(name: str) -> str:
    return " ".join(name.split()).casefold()

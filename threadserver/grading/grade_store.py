"""Everything that is known of a class's grades, in one SQLite file: ``grades.db`` in the output folder.

Each table is written in transactions, so whatever kills the grader, a row is there whole or not at all.

facts      what the file is about: ``schema`` (1) and ``lab`` (its name, or the path of its folder)
hand_in    what was handed in, as of the last run: ``student``, ``number`` (from 1, the earliest), ``name``,
           ``handed_in`` (ISO 8601, UTC), ``late`` (0, 1), ``content`` (the copy, empty when refused), ``problem``
verdict    what the judge said of a ``content`` by a ``rubric`` (a hash of the lab) and a ``kit`` (its version):
           ``seed``, ``judged`` (when), ``tries``, ``state`` (``final``, ``provisional`` or ``error``), ``score``,
           ``max_score``, ``verdict`` (JSON, as ``lab check --json`` prints it)
grade      what each student has: ``student``, ``name``, ``points`` (null while there is none), ``max_points``,
           ``state``, ``note``, ``number`` (of the hand-in), ``late``, ``content``, ``rubric``, ``kit``, ``decided``
change     every grade that was changed: ``student``, ``was``, ``now``, ``accepted`` (1: with --accept), ``decided``
"""

import json
import sqlite3
from collections.abc import Iterable
from contextlib import closing
from dataclasses import asdict, astuple, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from threadserver.core.errors import KitError, UsageError
from threadserver.judge.outcomes import Outcome, Result, Verdict

FILE = "grades.db"
SCHEMA = "1"
_TABLES = """
CREATE TABLE IF NOT EXISTS facts (name TEXT PRIMARY KEY, value TEXT NOT NULL) STRICT;
CREATE TABLE IF NOT EXISTS hand_in (student TEXT, number INTEGER, name TEXT, handed_in TEXT, late INTEGER, content TEXT,
    problem TEXT, PRIMARY KEY (student, number)) STRICT;
CREATE TABLE IF NOT EXISTS verdict (content TEXT, rubric TEXT, kit TEXT, seed INTEGER, judged TEXT, tries INTEGER,
    state TEXT, score REAL, max_score REAL, verdict TEXT, PRIMARY KEY (content, rubric, kit)) STRICT;
CREATE TABLE IF NOT EXISTS grade (student TEXT PRIMARY KEY, name TEXT, points REAL, max_points REAL, state TEXT,
    note TEXT, number INTEGER, late INTEGER, content TEXT, rubric TEXT, kit TEXT, decided TEXT) STRICT;
CREATE TABLE IF NOT EXISTS change (student TEXT, was REAL, now REAL, accepted INTEGER, decided TEXT) STRICT;
"""


@dataclass(frozen=True, slots=True)
class Key:
    """What a verdict is about: the same key, the same verdict."""

    content: str
    rubric: str
    kit: str


@dataclass(frozen=True, slots=True)
class Recorded:
    """One row of ``hand_in``."""

    student: str
    number: int
    name: str
    handed_in: str
    late: int
    content: str
    problem: str


@dataclass(frozen=True, slots=True)
class Grade:
    """One row of ``grade``."""

    student: str
    name: str
    points: float | None
    max_points: float
    state: str
    """``graded``, ``provisional``, ``error`` (the judge's), ``refused`` (the hand-in) or ``late``."""
    note: str
    number: int
    late: int
    content: str
    rubric: str
    kit: str
    decided: str

    @property
    def key(self) -> Key:
        """The verdict that it comes from."""
        return Key(self.content, self.rubric, self.kit)


class Store:
    """The file. Raises KitError, in one line, when it cannot be used."""

    def __init__(self, file: Path, lab: str) -> None:
        try:
            self._database = sqlite3.connect(file, isolation_level=None)
            self._database.executescript(f"PRAGMA synchronous = FULL; {_TABLES}")
            known = dict(self._database.execute("SELECT name, value FROM facts"))
        except sqlite3.Error as error:
            raise KitError(f"cannot use {file}: {error}") from error
        if known.get("schema", SCHEMA) != SCHEMA:
            raise KitError(f"{file} was written by another version of the kit: choose another folder")
        if lab and known.get("lab", lab) != lab:
            raise UsageError(f"{file} holds grades of the lab {known['lab']}, not of {lab}: choose another folder")
        self.lab = known.get("lab", lab)
        if not known:
            self._write("INSERT INTO facts VALUES (?, ?)", [("schema", SCHEMA), ("lab", lab)])

    def close(self) -> None:
        """Close the file."""
        self._database.close()

    def _write(self, statement: str, rows: Iterable[tuple[Any, ...]], first: str = "") -> None:
        with closing(self._database.cursor()) as cursor:
            cursor.execute("BEGIN IMMEDIATE")
            try:
                if first:
                    cursor.execute(first)
                cursor.executemany(statement, rows)
            except BaseException:
                cursor.execute("ROLLBACK")
                raise
            cursor.execute("COMMIT")

    # Hand-ins.

    def record_hand_ins(self, hand_ins: Iterable[Recorded]) -> None:
        """Write what was handed in, in place of what an earlier run found."""
        self._write("INSERT INTO hand_in VALUES (?, ?, ?, ?, ?, ?, ?)", map(astuple, hand_ins), "DELETE FROM hand_in")

    def hand_ins(self) -> list[Recorded]:
        """Return what was handed in, by student and time."""
        return [Recorded(*row) for row in self._database.execute("SELECT * FROM hand_in ORDER BY student, number")]

    # Verdicts.

    def record_verdict(self, key: Key, verdict: Verdict, tries: int) -> None:
        """Write a verdict, at once and whole."""
        state = "error" if verdict.broken else "provisional" if verdict.provisional else "final"
        row = (*astuple(key), verdict.seed, now(), tries, state, verdict.score, verdict.max_score,
               json.dumps(verdict.as_json()))  # fmt: skip
        self._write("INSERT OR REPLACE INTO verdict VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)", [row])

    def verdict(self, key: Key) -> Verdict | None:
        """Return a verdict, errors of the judge included."""
        query = "SELECT verdict FROM verdict WHERE content = ? AND rubric = ? AND kit = ?"
        row = self._database.execute(query, astuple(key)).fetchone()
        return verdict_from(json.loads(row[0])) if row else None

    def is_judged(self, key: Key) -> bool:
        """Tell whether there is a verdict that needs no other try."""
        query = "SELECT state FROM verdict WHERE content = ? AND rubric = ? AND kit = ?"
        row = self._database.execute(query, astuple(key)).fetchone()
        return row is not None and row[0] != "error"

    # Grades.

    def record_grades(
        self, grades: Iterable[Grade], changes: Iterable[tuple[str, float | None, float | None, bool]]
    ) -> None:
        """Write grades, and what they change: student, points before, points now, whether that was accepted."""
        self._write("INSERT INTO change VALUES (?, ?, ?, ?, ?)", [(*change, now()) for change in changes])
        self._write("INSERT OR REPLACE INTO grade VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)", map(astuple, grades))

    def grades(self) -> dict[str, Grade]:
        """Return the grade of each student."""
        return {row[0]: Grade(*row) for row in self._database.execute("SELECT * FROM grade ORDER BY name, student")}


def now() -> str:
    """Return the time, as all tables hold it."""
    return datetime.now(UTC).isoformat(timespec="seconds")


def verdict_from(said: dict[str, Any]) -> Verdict:
    """Return the verdict that plain data describes: the inverse of `Verdict.as_json`."""
    checks = [Result(**{**one, "outcome": Outcome(one["outcome"])}) for one in said["checks"]]
    kept = {name: said[name] for name in ("lab", "containment", "complete", "problem", "notes", "seed")}
    return Verdict(checks=checks, **kept)


def as_json(grade: Grade) -> dict[str, Any]:
    """Return a grade as plain data."""
    return asdict(grade)

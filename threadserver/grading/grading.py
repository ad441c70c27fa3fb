"""Grading a class from end to end, in one folder, as often as needed.

::

    OUT/grades.db          everything that is known (`grade_store`)
    OUT/copies/            what was judged; only its owner may read it
    OUT/grades.csv         a row for each student
    OUT/gradebook.csv      the platform's exported gradebook, filled in
    OUT/class.html         the page about the class
    OUT/feedback/          an HTML page and a text for each student

A run that was interrupted goes on: what is judged stays judged, as long as the submission, the lab and the kit are the
same. Every file is written whole or not at all.
"""

import fcntl
import hashlib
import importlib.metadata
import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from rich.console import Console

from threadserver.core.errors import KitError, UsageError, reason
from threadserver.core.labs import FILE as LAB_FILE
from threadserver.core.labs import LABS, Lab
from threadserver.grading import class_page, exports, gradebooks, student_pages
from threadserver.grading.archives import EXPORT, is_archive, unpack
from threadserver.grading.batch import judge_all
from threadserver.grading.class_page import ClassReport
from threadserver.grading.copies import Copies
from threadserver.grading.course import AS_THE_RUBRIC_SAYS, Scheme
from threadserver.grading.exports import Export
from threadserver.grading.grade_store import FILE, Grade, Key, Recorded, Store
from threadserver.grading.grading_progress import shown
from threadserver.grading.lateness import LatePolicy
from threadserver.grading.likeness import alike
from threadserver.grading.standing import Change, Judged, grade_of, regrade
from threadserver.judge.outcomes import Verdict
from threadserver.submission.temporary import remove, replace_file

_UNPACKED = ".export-"


@dataclass(frozen=True, slots=True)
class Options:
    """What an instructor chooses."""

    jobs: int
    policy: LatePolicy
    take: str = "last"
    platform: str = ""
    accept: bool = False
    scheme: Scheme = AS_THE_RUBRIC_SAYS
    gradebook: Path | None = None
    column: str = ""


@dataclass(slots=True)
class Graded:
    """What a run has done."""

    grades: list[Grade]
    judged: int
    """Submissions that were judged in this run."""
    unchanged: int
    """Submissions whose verdict was known."""
    changes: list[Change] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)
    files: list[Path] = field(default_factory=list)

    @property
    def exit_code(self) -> int:
        """0: done. 1: something waits for a person, or for --accept. 3: the judge failed at some submissions."""
        states = {grade.state for grade in self.grades}
        if "error" in states or any(change.failed for change in self.changes):
            return 3
        waits = states - {"graded"} or self.problems or any(change.held for change in self.changes)
        return 1 if waits else 0


def grade(lab: Lab, source: Path, out: Path, options: Options, console: Console) -> Graded:
    """Grade all hand-ins in ``source``, a folder or an archive, and write everything to ``out``.

    Raises KitError or UsageError, in one line, when the hand-ins cannot be read or the folder cannot be written.
    """
    if not source.is_dir() and not (source.is_file() and is_archive(source)):
        raise UsageError(f"{source} is neither a folder nor a zip or tar file")
    if options.gradebook:
        gradebooks.fill(options.gradebook, {}, {}, options.column)  # one that cannot be filled is refused at once
    rubric, kit = digest(lab), importlib.metadata.version("threadserver")
    with opened(out, name_of(lab)) as store, _export(source, out, options.platform) as export:
        copies = Copies(out / "copies")
        known = _kept(export, copies, options, rubric, kit)
        store.record_hand_ins(_row(one, options.policy) for one in known)
        wanted = dict.fromkeys(one.key for one in known if not one.problem and not store.is_judged(one.key))
        every = {one.key for one in known if not one.problem}
        _judge(lab, store, copies, known, list(wanted), options.jobs, console)
        graded = Graded([], len(wanted), len(every) - len(wanted), problems=list(export.problems))
        graded.changes = _decide(store, known, options)
        graded.grades = list(store.grades().values())
        _write_all(lab, out, store, copies, graded, export, options)
    return graded


def _judge(lab: Lab, store: Store, copies: Copies, known: list[Judged], wanted: list[Key], jobs: int,
           console: Console) -> None:  # fmt: skip
    by_content = {key.content: key for key in wanted}
    students = {
        content: ", ".join(dict.fromkeys(one.hand_in.name for one in known if one.key.content == content))
        for content in by_content
    }
    with shown(console, len(wanted)) as progress:

        def done(content: str, verdict: Verdict, tries: int) -> None:
            store.record_verdict(by_content[content], verdict, tries)
            progress.done(students[content], verdict)

        judge_all(lab, by_content, copies.of, jobs, done)


def _kept(export: Export, copies: Copies, options: Options, rubric: str, kit: str) -> list[Judged]:
    """Copy every hand-in that may count."""
    found = []
    for hand_ins in export.students().values():
        numbered = list(enumerate(hand_ins, 1))
        counting = [one for one in numbered if options.policy.factor(one[1]) != 0] or numbered[-1:]
        for number, hand_in in counting if options.take == "best" else counting[-1:]:
            copy = copies.keep(hand_in)
            found.append(Judged(hand_in, number, Key(copy.content, rubric, kit), copy.problem, None))
            export.problems += [f"{hand_in.name}: {note}" for note in copy.notes]
    return found


def _row(one: Judged, policy: LatePolicy) -> Recorded:
    when = one.hand_in.when.isoformat(timespec="seconds") if one.hand_in.when else ""
    late = int(policy.is_late(one.hand_in))
    return Recorded(one.hand_in.student, one.number, one.hand_in.name, when, late, one.key.content, one.problem)


def _decide(store: Store, known: list[Judged], options: Options) -> list[Change]:
    by_student: dict[str, list[Judged]] = {}
    for one in known:
        judged = Judged(one.hand_in, one.number, one.key, one.problem, None if one.problem else store.verdict(one.key))
        by_student.setdefault(one.hand_in.student, []).append(judged)
    found = [grade_of(one, options.policy, options.take, options.scheme.worth) for one in by_student.values()]
    record, changes = regrade(store.grades(), found, accept=options.accept)
    made = [(change.student, change.was, change.now, options.accept) for change in changes if not change.held]
    store.record_grades(record, made)
    return changes


# What comes out.


def _write_all(lab: Lab, out: Path, store: Store, copies: Copies, graded: Graded, export: Export,
               options: Options) -> None:  # fmt: skip
    grades = {grade.student: grade for grade in graded.grades}
    verdicts = {student: verdict for student, grade in grades.items() if (verdict := store.verdict(grade.key))}
    if any(verdict.containment in {"", "self-check"} for verdict in verdicts.values() if not verdict.broken):
        graded.problems.append(
            "submissions were not contained: these are self-checks, not grades (threadserver doctor)"
        )
    times = {(one.student, one.number): one.handed_in for one in store.hand_ins()}
    rows = [(one, verdicts.get(one.student), times.get((one.student, one.number), "")) for one in graded.grades]
    graded.files.append(write(out / "grades.csv", gradebooks.table(rows)))
    if options.gradebook:
        names: dict[str, list[str]] = {student: [student, grade.name] for student, grade in grades.items()}
        for hand_in in export.hand_ins:
            names.setdefault(hand_in.student, []).extend(exports.names_of(hand_in))
        filled = gradebooks.fill(options.gradebook, grades, names, options.column)
        graded.problems += [f"{grades[one].name} ({one}) has no row in {options.gradebook}" for one in filled.missing]
        graded.files.append(write(out / "gradebook.csv", filled.text))
    for grade in graded.grades:
        name, verdict = student_pages.file_name(grade.student, grade.name), verdicts.get(grade.student)
        write(out / "feedback" / f"{name}.html", student_pages.html(lab, grade, verdict, options.scheme))
        write(out / "feedback" / f"{name}.txt", student_pages.text(lab, grade, verdict, options.scheme))

    def folder_of(student: str) -> Path:
        return copies.of(grades[student].content)

    compared = {student: folder_of(student) for student in verdicts if folder_of(student).is_dir()}
    pairs = alike(compared, [*submissions_of_starters(lab)])
    report = ClassReport(lab, graded.grades, verdicts, graded.changes, graded.problems, pairs)
    graded.files.append(write(out / "class.html", class_page.render(report, folder_of)))
    graded.files.append(out / "feedback")


def submissions_of_starters(lab: Lab) -> list[Path]:
    """Return the folders that every student begins with."""
    return [folder for folder in sorted(lab.folder.glob("starter*")) if folder.is_dir()]


def write(file: Path, text: str) -> Path:
    """Write a file whole, or not at all. Raises KitError."""
    try:
        file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        for left in file.parent.glob(f".{file.name}-*"):  # by a run that was killed
            left.unlink()
        replace_file(file, text.encode("utf-8", "surrogateescape"))
    except OSError as error:
        raise KitError(f"cannot write {file}: {reason(error)}") from error
    return file


# Where it comes from.


@contextmanager
def opened(out: Path, lab: str = "") -> Iterator[Store]:
    """Open the folder of a class, for one grader at a time; with a ``lab``, it is made if there is none.

    Raises KitError when another grader has it, UsageError when it holds another lab's grades, or nothing.
    """
    if not lab and not (out / FILE).is_file():
        raise UsageError(f"there are no grades in {out}: name the folder that `threadserver grade` wrote")
    try:
        out.mkdir(mode=0o700, parents=True, exist_ok=True)
        lock = os.open(out / ".lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    except OSError as error:
        raise KitError(f"cannot write in {out}: {reason(error)}") from error
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        store = Store(out / FILE, lab)
        try:
            yield store
        finally:
            store.close()
    except BlockingIOError:
        raise KitError(f"another grader is at work in {out}: wait for it, or choose another folder") from None
    finally:
        os.close(lock)


@contextmanager
def _export(source: Path, out: Path, platform: str) -> Iterator[Export]:
    """Read the hand-ins; an archive is unpacked beside the grades first."""
    if source.is_dir():
        yield exports.read(source, platform)
    else:
        for left in out.glob(f"{_UNPACKED}*"):  # by a run that was killed
            remove(left)
        with tempfile.TemporaryDirectory(prefix=_UNPACKED, dir=out) as folder:
            unpack(source, Path(folder), EXPORT)
            yield exports.read(Path(folder), platform)


def name_of(lab: Lab) -> str:
    """Return by what name a lab can be found again."""
    return lab.name if lab.folder.parent == LABS else f"{lab.folder.resolve()}/"


def digest(lab: Lab) -> str:
    """Return a hash of what a lab asks for: another one means that every submission is judged again."""
    found = hashlib.sha256()
    for file in (lab.folder / LAB_FILE, lab.rubric):
        found.update(file.read_bytes() + b"\0")
    return found.hexdigest()[:20]

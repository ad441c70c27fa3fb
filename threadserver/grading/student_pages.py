"""Feedback for each student, as an HTML page and as text: what was sent, what came, and how to reproduce it at home."""

import hashlib
import io
import re
from dataclasses import replace
from pathlib import Path

from rich.console import Console

from threadserver.core.labs import Lab
from threadserver.core.printable import printable
from threadserver.grading.course import Scheme
from threadserver.grading.grade_store import Grade
from threadserver.judge import verdict_page, verdict_text
from threadserver.judge.outcomes import Verdict

WIDTH = 110  # columns of the text


def file_name(student: str, name: str) -> str:
    """Return a file name for a student, without its ending: only letters and digits, different for each student."""
    told = re.sub(r"[^A-Za-z0-9.-]+", "_", f"{name}_{student}" if name != student else student).strip("._-")[:80]
    return f"{told or 'student'}-{hashlib.sha256(student.encode('utf-8', 'surrogateescape')).hexdigest()[:6]}"


def html(lab: Lab, grade: Grade, verdict: Verdict | None, scheme: Scheme) -> str:
    """Return the page."""
    return verdict_page.render(lab, Path(printable(grade.name) or "you"), _told(lab, grade, verdict, scheme))


def text(lab: Lab, grade: Grade, verdict: Verdict | None, scheme: Scheme) -> str:
    """Return the same as plain text."""
    written = io.StringIO()
    console = Console(file=written, width=WIDTH, highlight=False, no_color=True)
    told = _told(lab, grade, verdict, scheme)
    verdict_text.heading(console, lab, grade.name)
    for check in told.checks:
        verdict_text.line(console, check)
    verdict_text.whole(console, told, verbose=True)
    return written.getvalue()


def _told(lab: Lab, grade: Grade, verdict: Verdict | None, scheme: Scheme) -> Verdict:
    """Return the verdict, with notes on what else the student must know."""
    if verdict is None:
        return Verdict(lab.name, "", complete=False, problem=grade.note)
    verdict = scheme.shown(verdict)
    notes = list(verdict.notes)
    if grade.points is not None:
        why = f" ({grade.note})" if grade.note and grade.state == "graded" else ""
        notes.append(f"your grade is {grade.points:g} of {grade.max_points:g} points{why}")
    else:
        why = "the judge itself failed" if grade.state == "error" else grade.note
        notes.append(f"there is no grade yet: {why}")
    notes.append(f"hand-in {grade.number}, judged by threadserver {grade.kit}")
    notes.append(f"to see this again: threadserver lab check YOUR_FOLDER --lab {lab.name} --seed {verdict.seed}")
    return replace(verdict, notes=notes)

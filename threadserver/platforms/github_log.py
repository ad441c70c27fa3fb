"""What GitHub Actions shows: an annotation for each check that failed, and a summary of the job.

A line that begins with ``::`` is a command to the runner, wherever it comes from. So what a submission has said goes
into annotations only, where it is escaped: ``%``, CR and LF in the message, ``:`` and ``,`` in the properties too.
"""

import os
from pathlib import Path

from threadserver.core.printable import printable
from threadserver.judge.outcomes import Outcome, Result
from threadserver.platforms.platform_results import Told, seen_again

MOST = 1000  # characters of an annotation


def annotations(told: Told) -> list[str]:
    """Return a command to the runner for each visible check that did not pass."""
    return [_annotation(check) for check in _shown(told) if check.outcome not in {Outcome.PASSED, Outcome.BLOCKED}]


def _annotation(check: Result) -> str:
    level = {Outcome.FAILED: "error", Outcome.UNDETERMINED: "notice"}.get(check.outcome, "warning")
    said = f"{check.sentence}: {check.message}" + (f" Hint: {check.hint}" if check.hint else "")
    return f"::{level} title={_property(check.name)}::{_data(printable(said)[:MOST])}"


def _data(text: str) -> str:
    return text.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")


def _property(text: str) -> str:
    return _data(text).replace(":", "%3A").replace(",", "%2C")


def summary(told: Told) -> str:
    """Return the job's summary in Markdown; what a submission wrote stands in it as text, never as markup."""
    checks, verdict = _shown(told), told.verdict
    points, most = told.scheme.worth(verdict)
    rows = [
        f"| {check.outcome} | {check.points:.4g}/{check.max_points:.4g} | `{check.name}` {_text(check.sentence)} | "
        f"{_text(check.message)} |"
        for check in checks
    ]
    head = f"## {_text(told.lab.title)}\n\n**{points:g} of {most:g} points**"
    notes = [f"- {_text(note)}" for note in (verdict.standing, verdict.problem, *verdict.notes) if note]
    table = ["| outcome | points | check | what happened |", "|---|---|---|---|", *rows]
    return "\n".join([head, "", *notes, "", *table, "", f"To see this again: `{seen_again(told)}`", ""])


def _shown(told: Told) -> list[Result]:
    return [check for check in told.checks if check.name not in told.scheme.hidden]


def _text(text: str) -> str:
    """Return a text in which Markdown and HTML mean nothing, for a cell of a table."""
    escaped = printable(text).replace("&", "&amp;").replace("<", "&lt;")
    return "".join(f"&#{ord(one)};" if one in "|`*_[]()!#~\\@:" else one for one in escaped)


def write(told: Told) -> None:
    """Print the annotations, and append the summary to the file that the runner names."""
    for line in annotations(told):
        print(line, flush=True)
    if file := os.environ.get("GITHUB_STEP_SUMMARY"):
        with Path(file).open("a", encoding="utf-8") as appended:
            appended.write(summary(told))

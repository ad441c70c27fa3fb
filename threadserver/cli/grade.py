"""``threadserver grade``: a class, and ``grade replay``: one verdict again."""

import json
import os
import sys
from pathlib import Path
from typing import Any

import click
from rich.markup import escape

from threadserver.cli import printing
from threadserver.cli.parameters import option
from threadserver.core.labs import find
from threadserver.core.plurals import count
from threadserver.core.printable import printable
from threadserver.grading import grading, replaying
from threadserver.grading.course import FILE, scheme_of
from threadserver.grading.exports import READERS
from threadserver.grading.grade_store import as_json
from threadserver.grading.grading import Graded, Options
from threadserver.grading.lateness import policy
from threadserver.grading.standing import TAKES
from threadserver.judge import verdict_text

DEFAULT = "class"


class GradeGroup(click.Group):
    """A group whose first command need not be named: ``grade LAB SUBMISSIONS``."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Put the name of the first command in front, unless a command or help is asked for."""
        if args and args[0] not in {*self.commands, *ctx.help_option_names}:
            args = [DEFAULT, *args]
        return super().parse_args(ctx, args)


OUT = option("--output", "-o", "out", formerly=["--out"], default="grades", show_default=True, metavar="DIR",
             type=click.Path(path_type=Path, file_okay=False),
             help="Folder for grades, copies and feedback.")  # fmt: skip
JSON = click.option("--json", "as_json", is_flag=True, help="Print the result as JSON.")


@click.group(cls=GradeGroup)
def grade() -> None:
    """Grade a class, and reproduce any verdict.

    \b
    threadserver grade thread submissions.zip --jobs 2
    threadserver grade replay "Ada Lovelace"
    """


@grade.command(DEFAULT)
@click.argument("lab_name", metavar="LAB")
@click.argument("submissions", type=click.Path(path_type=Path))
@click.option("--jobs", type=click.IntRange(1, 256), default=os.cpu_count() or 1, metavar="N",
              help="Submissions that are judged side by side.  [default: one for each core]")  # fmt: skip
@OUT
@click.option("--from", "platform", type=click.Choice(list(READERS)),
              help="The platform that exported the submissions; by default recognised by their names.")  # fmt: skip
@click.option("--take", type=click.Choice(TAKES), default="last", show_default=True,
              help="Which of a student's hand-ins counts.")  # fmt: skip
@click.option("--deadline", default="", metavar="TIME", help="For example 2026-11-28T23:59, in local time.")
@click.option("--late", default="refuse", show_default=True, metavar="POLICY",
              help="A hand-in after the deadline: refuse, accept, or a loss such as 10%/day.")  # fmt: skip
@click.option("--course", type=click.Path(path_type=Path, dir_okay=False, exists=True), metavar="FILE",
              help="Weights, partial credit, hidden checks.  [default: course.toml, if it is here]")  # fmt: skip
@click.option("--gradebook", type=click.Path(path_type=Path, exists=True, dir_okay=False),
              help="The gradebook that Canvas or Moodle exported: it is filled in.")  # fmt: skip
@click.option("--column", default="", metavar="TITLE", help="The gradebook's column, if it cannot be found.")
@click.option("--accept", is_flag=True, help="Also record grades that are lower than before.")
@JSON
def class_command(
    lab_name: str,
    submissions: Path,
    jobs: int,
    out: Path,
    platform: str | None,
    take: str,
    deadline: str,
    late: str,
    course: Path | None,
    gradebook: Path | None,
    column: str,
    accept: bool,
    as_json: bool,
) -> None:
    """Grade all SUBMISSIONS of LAB: a folder, zip or tar file, as Moodle, Gradescope, Canvas or Classroom 50 export it.

    The word "class" may be left out. An interrupted run continues the next time; a submission that has not changed is
    not judged again; a grade is never lowered without --accept. The command writes grades.csv, class.html, the filled
    gradebook.csv, and feedback for each student.

    Exit code 0: done. 1: something waits for you: a submission, or a lower grade. 2: bad usage. 3: the judge failed.

    \b
    threadserver grade class thread submissions.zip --jobs 2
    threadserver grade thread moodle.zip --gradebook Grades.csv -o thread-grades
    threadserver grade fork subs/ --deadline 2026-11-28T23:59 --late 10%/day
    """
    chosen, console = find(lab_name), printing.console(stderr=True)
    if course is None and Path(FILE).is_file():
        course = Path(FILE)
        click.echo(f"grades count as {course} says", err=True)
    scheme = scheme_of(chosen, course)
    options = Options(jobs, policy(deadline, late), take, platform or "", accept, scheme, gradebook, column)
    graded = grading.grade(chosen, submissions, out, options, console)
    if as_json:
        click.echo(json.dumps(_as_json(graded), indent=2))
    else:
        _show(graded)
    sys.exit(graded.exit_code)


def _as_json(graded: Graded) -> dict[str, Any]:
    return {
        "grades": [as_json(one) for one in graded.grades],
        "judged": graded.judged,
        "unchanged": graded.unchanged,
        "changes": [
            {"student": one.student, "was": one.was, "now": one.now, "held": one.held} for one in graded.changes
        ],
        "problems": graded.problems,
        "files": [str(file) for file in graded.files],
    }


def _show(graded: Graded) -> None:
    console = printing.console()
    for problem in graded.problems:
        console.print(f"[yellow]note[/]  {escape(printable(problem))}", soft_wrap=True)
    for one in graded.grades:
        if one.state != "graded":
            said = printable(f"{one.name}: {one.note}")
            console.print(f"[magenta]{one.state}[/]  {escape(said)}", soft_wrap=True)
    for change in graded.changes:
        console.print(f"[bold]changed[/]  {escape(printable(change.sentence))}", soft_wrap=True)
    states = [one.state for one in graded.grades]
    told = ", ".join(f"{states.count(state)} {state}" for state in dict.fromkeys(states))
    students = count(len(graded.grades), "student")
    console.print(f"{students}: {told}; {graded.judged} judged, {graded.unchanged} unchanged", soft_wrap=True)
    if any(change.held and not change.failed for change in graded.changes):
        console.print("Some grades would be lower than before: look at them, then run this again with --accept.")
    console.print(f"See {escape(', '.join(map(str, graded.files)))}", soft_wrap=True)


@grade.command()
@click.argument("student")
@OUT
@click.option("--only", multiple=True, metavar="CHECK", help="Only this check, and the checks that it depends on.")
@click.option("-v", "--verbose", is_flag=True, help="Show whole transcripts.")
@JSON
def replay(student: str, out: Path, only: tuple[str, ...], verbose: bool, as_json: bool) -> None:
    """Judge the submission of STUDENT again: the copy that was judged, with the same seed.

    Nothing is recorded. Exit code 0: the outcomes are the same. 1: some differ. 2: bad usage. 3: the judge failed.

    \b
    threadserver grade replay "Ada Lovelace" --output grades
    """
    found = replaying.find_replay(out, student)
    console = printing.console(stderr=as_json)
    for note in found.notes:
        console.print(f"[yellow]note[/]  {note}")
    verdict_text.heading(console, found.lab, found.grade.name)
    verdict = replaying.replay(found, only=only, done=lambda result: verdict_text.line(console, result))
    differ = replaying.differences(found.recorded, verdict)
    if as_json:
        click.echo(json.dumps({**verdict.as_json(), "differences": differ}, indent=2))
    else:
        verdict_text.whole(console, verdict, verbose=verbose)
        console.print("\n".join(f"[bold red]differs[/]  {one}" for one in differ) or "The outcomes are the same.")
    sys.exit(3 if verdict.broken else 1 if differ else 0)

"""Judging one submission on a platform: ``python -P -m threadserver.platforms.judge_there``, as a bundle's script does.

With ``-P`` Python imports nothing from the current folder, which is the student's repository on some platforms.

The submission is copied first, without what the bundle itself put beside it (files and folders whose name begins with
a dot), so that it cannot use the judge's own kit.
"""

import json
import secrets
import shutil
from dataclasses import replace
from pathlib import Path

import click

from threadserver.core.errors import KitError
from threadserver.core.labs import Lab, find
from threadserver.core.printable import printable
from threadserver.grading.batch import without_path
from threadserver.grading.course import Scheme, read_scheme
from threadserver.judge import asking
from threadserver.judge.outcomes import Outcome, Result, Verdict
from threadserver.judge.rubric_reading import read as read_rubrics
from threadserver.platforms import github_log, junit
from threadserver.platforms.classroom50 import Classroom50
from threadserver.platforms.gradescope import Gradescope
from threadserver.platforms.platform_results import Told, Writer
from threadserver.submission.temporary import own_folder


class Reports:
    """JUnit XML, annotations and a summary: each is written at the end."""

    def __init__(self, junit_file: Path | None, *, github: bool) -> None:
        self._junit = junit_file
        self._github = github

    def write(self, told: Told) -> None:
        """Write the JUnit report so far: a job that runs out of time leaves it behind."""
        if self._junit:
            junit.write(self._junit, told)

    def end(self, told: Told) -> int:
        """Write everything."""
        self.write(told)
        if self._github:
            github_log.write(told)
        points, most = told.scheme.worth(told.verdict)
        click.echo(f"{points:g} of {most:g} points, contained by {told.verdict.containment}, seed {told.verdict.seed}")
        if told.verdict.problem:
            click.echo(printable(f"the judge failed: {told.verdict.problem}"), err=True)
        return told.verdict.exit_code


def judge(lab: Lab, submission: Path, scheme: Scheme, writer: Writer, seed: int | None = None) -> int:
    """Judge a submission, and write its result after every check. Return the exit code."""
    known = known_checks(lab)
    seed = secrets.randbelow(asking.SEEDS) if seed is None else seed
    with own_folder("platform") as folder:
        copy = folder / "submission"
        shutil.copytree(
            submission, copy, symlinks=True, ignore=lambda _, names: {one for one in names if one[0] == "."}
        )
        so_far = Verdict(lab.name, "", complete=False, seed=seed)

        def begun(containment: str, _: str) -> None:
            so_far.containment = containment
            writer.write(Told(lab, scheme, so_far, known))

        def done(result: Result) -> None:
            so_far.checks.append(without_path(result, str(copy)))
            writer.write(Told(lab, scheme, so_far, known))

        try:
            verdict = asking.check(lab, copy, seed=seed, begun=begun, done=done)
        except KitError as error:
            verdict = replace(so_far, problem=str(error))
        final = replace(verdict, checks=[without_path(one, str(copy)) for one in verdict.checks])
        return writer.end(Told(lab, scheme, final, known))


def known_checks(lab: Lab) -> list[Result]:
    """Return all checks of a lab, none of them judged. Raises KitError when its rubric cannot be read."""
    found = read_rubrics([lab.rubric])[lab.rubric.resolve()]
    if isinstance(found, str):
        raise KitError(f"{lab.rubric} cannot be read: {found}")
    return [Result(name, 0, worth, Outcome.BLOCKED, sentence) for name, (worth, sentence) in found.items()]


@click.command()
@click.argument("submission", type=click.Path(exists=True, file_okay=False, path_type=Path))
@click.option("--lab", "name", required=True)
@click.option("--scheme", "scheme_file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option("--gradescope", type=click.Path(path_type=Path))
@click.option("--classroom50", type=click.Path(path_type=Path))
@click.option("--junit", "junit_file", type=click.Path(path_type=Path))
@click.option("--github", is_flag=True)
@click.option("--seed", type=int)
@click.pass_context
def main(
    context: click.Context,
    submission: Path,
    name: str,
    scheme_file: Path | None,
    gradescope: Path | None,
    classroom50: Path | None,
    junit_file: Path | None,
    github: bool,
    seed: int | None,
) -> None:
    """Judge SUBMISSION, and write the result in a platform's format."""
    scheme = read_scheme(json.loads(scheme_file.read_text("utf-8")), str(scheme_file)) if scheme_file else Scheme()
    writer: Writer = Reports(junit_file, github=github)
    if gradescope:
        writer = Gradescope(gradescope)
    elif classroom50:
        writer = Classroom50(classroom50)
    try:
        context.exit(judge(find(name), submission, scheme, writer, seed))
    except KitError as error:
        raise click.ClickException(str(error)) from error


if __name__ == "__main__":
    main()

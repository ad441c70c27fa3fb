"""``threadserver lab``: list, start, run, check, watch, selftest, new, release, export."""

import json
import os
import shlex
import sys
from pathlib import Path

import click
from rich.markup import escape
from rich.table import Table

from threadserver.cli import printing
from threadserver.cli.parameters import option
from threadserver.core.errors import UsageError
from threadserver.core.labs import Lab, find, labs, rubrics_are_hidden
from threadserver.core.plurals import count
from threadserver.grading.course import scheme_of
from threadserver.judge import asking, first_screen, new_lab, verdict_page, verdict_text, watching
from threadserver.judge.lab_problems import problems
from threadserver.judge.outcomes import Verdict
from threadserver.judge.selftest import Reported, selftest
from threadserver.judge.workspace import lab_of, progress, remember, unfinished
from threadserver.judge.workspace import start as start_lab
from threadserver.platforms import bundles
from threadserver.releasing import edition
from threadserver.submission.containment import SELF_CHECK
from threadserver.submission.trying import converse_with


def _folder(_context: click.Context, _parameter: click.Parameter, path: Path) -> Path:
    """Refuse a path that is not a folder, so that a mistyped path is an error and not a score of 0."""
    if path.is_file():
        raise UsageError(f"{path} is a file; name the folder that holds it: {path.parent}")
    if not path.is_dir():
        raise UsageError(f"no such folder: {path}")
    return path


def _open(chosen: Lab) -> Lab:
    """Refuse to judge in a student edition that has no checks."""
    if rubrics_are_hidden() and not chosen.rubric.is_file():
        raise UsageError(f"your course keeps the checks of {chosen.name} to itself: hand it in to have it judged")
    return chosen


FOLDER = click.argument("folder", default=".", metavar="[DIR]", type=click.Path(path_type=Path), callback=_folder)
LAB = click.option("--lab", "name", metavar="NAME|PATH", help="The lab; not needed in a folder that `lab start` made.")


@click.group()
def lab() -> None:
    """Start a lab, run your submission, and have it judged.

    \b
    threadserver lab start thread
    """


@lab.command("list")
@click.option("--json", "as_json", is_flag=True, help="Print the labs as JSON.")
def list_labs(as_json: bool) -> None:
    """List the labs and your progress.

    \b
    threadserver lab list
    """
    done, known = progress(), labs()
    wrong = problems(known)
    if as_json:
        listed = [_described(one, done.get(one.name), wrong[one.name]) for one in known]
        click.echo(json.dumps(listed, indent=2))
        return
    table = Table(box=None, pad_edge=False, header_style="bold")
    for heading in ("lab", "what it is about", "after", "languages", "last verdict", "folder"):
        table.add_column(heading)
    for one in known:
        last = done.get(one.name)
        score = f"{last['score']:g} of {last['max_score']:g}" if last else "-"
        table.add_row(
            one.name, escape(one.title), ", ".join(one.needs) or "-", ", ".join(one.languages), score,
            escape(last["folder"]) if last else "-",
        )  # fmt: skip
    printing.console().print(table)
    for name, found in wrong.items():
        for problem in found:
            click.echo(f"note: {name}: {problem}", err=True)


def _described(one: Lab, last: dict[str, object] | None, wrong: list[str]) -> dict[str, object]:
    return {
        "name": one.name, "title": one.title, "order": one.order, "points": one.points, "model": one.model,
        "languages": list(one.languages), "needs": list(one.needs), "last": last, "problems": wrong,
    }  # fmt: skip


@lab.command()
@click.argument("name")
@click.argument("folder", metavar="[DIR]", required=False, type=click.Path(path_type=Path))
@click.option(
    "--language", default="python", show_default=True, metavar="python|c", help="The language of the starter."
)
def start(name: str, folder: Path | None, language: str) -> None:
    """Start the lab NAME in DIR (by default a new folder of that name): its handout, and the file that you edit.

    Existing files are never overwritten. A note names the labs that come before and that you have not finished.

    \b
    threadserver lab start thread
    threadserver lab start fork my/fork --language c
    """
    chosen = find(name)
    target = folder or Path(chosen.name)
    for file in start_lab(chosen, target, language):
        click.echo(f"made {file}")
    if before := unfinished(chosen):
        click.echo(f"note: this lab builds on {', '.join(before)}; you may want to do that first", err=True)
    click.echo(f"Read {target}/README.md, then: cd {shlex.quote(str(target))} && threadserver lab check")


@lab.command()
@FOLDER
@LAB
@click.option("--service", "-s", metavar="NAME", help="Service to ask for: the third argument of the submission.")
def run(folder: Path, name: str | None, service: str | None) -> None:
    """Start the submission in DIR and let two clients talk to it, so that you see it work, or where it stops.

    \b
    threadserver lab run
    """
    chosen = find(name) if name else lab_of(folder)
    sys.exit(converse_with(folder, chosen.role, click.echo, kit=chosen.kit, service=service))


@lab.command()
@FOLDER
@LAB
@click.option("--only", multiple=True, metavar="CHECK", help="Only this check, and the checks that it depends on.")
@click.option(
    "--seed", type=click.IntRange(0), metavar="N", help="Ask the same questions as the verdict with this seed."
)
@option("--all", "verbose", formerly=["--verbose", "-v"], is_flag=True,
        help="Show every check, whole transcripts, and all that the kernel showed.")  # fmt: skip
@click.option("--json", "as_json", is_flag=True, help="Print the verdict as JSON.")
@option("--output", "-o", "html", formerly=["--html"], metavar="FILE", type=click.Path(path_type=Path),
        help="Also write the verdict as an HTML page.")  # fmt: skip
def check(
    folder: Path,
    name: str | None,
    only: tuple[str, ...],
    seed: int | None,
    verbose: bool,
    as_json: bool,
    html: Path | None,
) -> None:
    """Judge the submission in DIR: what it earns, what is wrong, and what to do.

    The fault that explains most comes first and in full; every other one has one line.

    Exit code 0: every check passed. 1: not every check. 2: bad usage. 3: the judge itself failed.

    \b
    threadserver lab check
    threadserver lab check submissions/ada --lab fork --json
    threadserver lab check --only many_at_once --all
    """
    chosen = _open(find(name) if name else lab_of(folder))
    if html and not os.access(html.parent, os.W_OK):
        raise UsageError(f"cannot write {html}: {html.parent} is not a folder that you may write to")
    verdict = _checked(chosen, folder, only, seed, as_json=as_json, verbose=verbose)
    if html:
        verdict_page.write(html, chosen, folder, verdict)
    if not only and not verdict.broken:
        remember(chosen, folder, verdict.score, verdict.max_score)
    sys.exit(verdict.exit_code)


def _checked(
    chosen: Lab, folder: Path, only: tuple[str, ...], seed: int | None, *, as_json: bool, verbose: bool
) -> Verdict:
    if as_json:
        verdict = asking.check(chosen, folder, only=only, seed=seed)
        click.echo(json.dumps(verdict.as_json(), indent=2))
        return verdict
    console = printing.console()
    verdict_text.heading(console, chosen, str(folder))

    def begun(containment: str, sentence: str) -> None:
        if verbose or containment == SELF_CHECK.name:
            console.print(f"[dim]{sentence}[/]")

    if verbose:
        verdict = asking.check(
            chosen, folder, only=only, seed=seed, begun=begun, done=lambda result: verdict_text.line(console, result)
        )
        verdict_text.whole(console, verdict, verbose=True)
        return verdict
    with watching.checking(console) as done:
        verdict = asking.check(chosen, folder, only=only, seed=seed, begun=begun, done=done)
    first_screen.show(console, chosen, verdict)
    return verdict


@lab.command()
@FOLDER
@LAB
def watch(folder: Path, name: str | None) -> None:
    """Judge the submission in DIR at every save, and show the fault that explains most. Ctrl-C ends it.

    \b
    threadserver lab watch
    """
    chosen = _open(find(name) if name else lab_of(folder))
    watching.watch(chosen, folder, printing.console())


@lab.command("selftest")
@click.argument("names", nargs=-1, metavar="[NAME ...]")
@click.option("--kind", type=click.Choice(["solution", "alternatives", "mistakes"]), multiple=True,
              help="Only these submissions of each lab.")  # fmt: skip
@click.option(
    "--repeat", default=1, show_default=True, type=click.IntRange(1), help="How often to judge each submission."
)
@click.option("--only", multiple=True, metavar="SUBMISSION", help="Only the submissions of this name.")
@click.option("--json", "as_json", is_flag=True, help="Print the matrix as JSON.")
def selftest_command(
    names: tuple[str, ...], kind: tuple[str, ...], repeat: int, only: tuple[str, ...], as_json: bool
) -> None:
    """Judge the labs' own solutions, alternatives and mistakes, and compare each verdict with the expected one.

    It also fails when lab.toml contradicts the lab's files, for example when their points differ. Name a lab outside
    the kit by the path of its folder.

    \b
    threadserver lab selftest thread
    threadserver lab selftest ./mine --kind mistakes
    """
    chosen = [find(name) for name in names] or labs()
    console = printing.console(stderr=as_json)

    def tell(reported: Reported) -> None:
        if reported.differs:
            console.print(f"[bold red]differs[/]      {reported.title}: {escape(reported.differs)}")
        else:
            console.print(f"[green]as expected[/]  {reported.title}")

    matrix = selftest(chosen, kinds=kind, repeat=repeat, only=only, tell=tell)
    if as_json:
        click.echo(json.dumps(matrix.as_json(), indent=2))
    else:
        console.print(matrix.table())
    for name, found in matrix.problems.items():
        for problem in found:
            console.print(f"[bold red]wrong[/]  {name}: {escape(problem)}")
    sys.exit(1 if matrix.failed else 0)


@lab.command("new")
@click.argument("folder", metavar="NAME|PATH", type=click.Path(path_type=Path))
@click.option(
    "--model", "-m", default="thread", show_default=True, metavar="NAME", help="The kit's model to begin with."
)
@click.option("--language", default="python", show_default=True, metavar="python|c",
              help="With c: a starter and a solution in C as well.")  # fmt: skip
def new_command(folder: Path, model: str, language: str) -> None:
    """Make a new lab in the folder NAME: small but complete, it passes its own selftest and is yours to edit.

    In the kit's own labs/, its solution becomes the kit's model NAME. Existing files are never overwritten.

    \b
    threadserver lab new semaphore
    threadserver lab new labs/semaphore --model pool
    """
    for file in new_lab.new(folder, model, language):
        click.echo(f"made {file}")
    path = str(folder) if "/" in str(folder) else f"./{folder}"
    click.echo(f"Edit {folder}/README.md, lab.toml and rubric.py, then: threadserver lab selftest {shlex.quote(path)}")


@lab.command("release")
@option("--output", "-o", "target", formerly=["--out"], required=True, metavar="DIR|ZIP",
        type=click.Path(path_type=Path), help="New folder, or zip file, for the edition.")  # fmt: skip
@click.option("--labs", "names", default="", metavar="NAME,...", help="Only these labs.")
@click.option("--rubrics", type=click.Choice(edition.RUBRICS), default="visible", show_default=True,
              help="What students get of the checks: all, their names in the handout, or none.")  # fmt: skip
def release_command(target: Path, names: str, rubrics: str) -> None:
    """Write the student edition: handouts, starters, the documented model, clients and checks, without any solution.

    It installs with `make demo` and tests itself with `make test`. Nothing is written if a part of a solution would be
    in it. Needs a checkout of the kit.

    \b
    threadserver lab release --output student.zip
    threadserver lab release --output student --labs lifecycle,thread,fork --rubrics names
    """
    chosen = [find(name.strip()) for name in names.split(",")] if names else labs()
    files = edition.release(target, chosen, rubrics)
    click.echo(f"wrote {target}: {', '.join(one.name for one in chosen)}; {count(len(files), 'file')}")


@lab.command("export")
@click.argument("name")
@click.option("--to", "platform", required=True, type=click.Choice(list(bundles.PLATFORMS)), help="The platform.")
@option("--output", "-o", "target", formerly=["--out"], required=True, metavar="ZIP",
        type=click.Path(path_type=Path, dir_okay=False), help="New zip file for the bundle.")  # fmt: skip
@click.option("--course", type=click.Path(path_type=Path, dir_okay=False, exists=True), metavar="FILE",
              help="A course.toml: weights, partial credit, hidden checks.")  # fmt: skip
def export_command(name: str, platform: str, target: Path, course: Path | None) -> None:
    """Write what judges the lab NAME on a platform: a zip file with the kit, this lab and the platform's script.

    Gradescope takes the zip file as an autograder. For the others, unpack it in a repository: docs/course.md says
    which. Needs a checkout of the kit.

    \b
    threadserver lab export thread --to gradescope --output autograder.zip
    threadserver lab export fork --to github-actions --output judge.zip --course course.toml
    """
    chosen = find(name)
    files = bundles.export(platform, chosen, scheme_of(chosen, course), target)
    click.echo(f"wrote {target}: the lab {chosen.name} for {platform}; {count(len(files), 'file')}")

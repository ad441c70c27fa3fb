"""``threadserver lab``: list, start, run, check, watch, selftest."""

import json
import os
import sys
from pathlib import Path

import click
from rich.markup import escape
from rich.table import Table

from threadserver.cli import printing
from threadserver.core.errors import UsageError
from threadserver.judge import asking, verdict_page, verdict_text, watching
from threadserver.judge.lab import Lab, find, lab_of, labs, progress, remember
from threadserver.judge.lab import start as start_lab
from threadserver.judge.outcomes import Result, Verdict
from threadserver.judge.selftest import Reported, selftest
from threadserver.submission.trying import converse_with


def _folder(_context: click.Context, _parameter: click.Parameter, path: Path) -> Path:
    """Refuse what is no folder: a path that is mistyped is nobody's submission, and earns no zero."""
    if path.is_file():
        raise UsageError(f"{path} is a file; name the folder that holds it: {path.parent}")
    if not path.is_dir():
        raise UsageError(f"there is no folder {path}")
    return path


FOLDER = click.argument("folder", default=".", metavar="[DIR]", type=click.Path(path_type=Path), callback=_folder)
LAB = click.option("--lab", "name", metavar="NAME|PATH", help="Which lab; known where `lab start` made the folder.")


@click.group()
def lab() -> None:
    """Labs: start one, run it, have it checked.

    \b
    threadserver lab start thread
    """


@lab.command("list")
@click.option("--json", "as_json", is_flag=True, help="Print the labs as JSON.")
def list_labs(as_json: bool) -> None:
    """List the labs, and how far you are.

    \b
    threadserver lab list
    """
    done = progress()
    if as_json:
        click.echo(json.dumps([_described(one, done.get(one.name)) for one in labs()], indent=2))
        return
    table = Table(box=None, pad_edge=False, header_style="bold")
    for heading in ("lab", "what it is about", "languages", "last verdict", "in"):
        table.add_column(heading)
    for one in labs():
        last = done.get(one.name)
        score = f"{last['score']:g} of {last['max_score']:g}" if last else "-"
        table.add_row(
            one.name, escape(one.title), ", ".join(one.languages), score, escape(last["folder"]) if last else "-"
        )
    printing.console().print(table)


def _described(one: Lab, last: dict[str, object] | None) -> dict[str, object]:
    return {
        "name": one.name, "title": one.title, "order": one.order, "points": one.points, "model": one.model,
        "languages": list(one.languages), "last": last,
    }  # fmt: skip


@lab.command()
@click.argument("name")
@click.argument("folder", metavar="[DIR]", required=False, type=click.Path(path_type=Path))
@click.option("--language", default="python", show_default=True, metavar="python|c", help="Which starter to copy.")
def start(name: str, folder: Path | None, language: str) -> None:
    """Start the lab NAME in DIR (by default a new folder of that name): its handout and what you will edit.

    Nothing that is there already is ever overwritten.

    \b
    threadserver lab start thread
    threadserver lab start fork my/fork --language c
    """
    chosen = find(name)
    target = folder or Path(chosen.name)
    for file in start_lab(chosen, target, language):
        click.echo(f"made {file}")
    click.echo(f"Read {target}/README.md, then: cd {target} && threadserver lab check")


@lab.command()
@FOLDER
@LAB
@click.option("--service", metavar="NAME", help="Pass this as the third argument.")
def run(folder: Path, name: str | None, service: str | None) -> None:
    """Start what is in DIR, and let two clients talk with it, so that you see it work or see where it stops.

    \b
    threadserver lab run
    """
    chosen = find(name) if name else lab_of(folder)
    sys.exit(converse_with(folder, chosen.role, click.echo, kit=chosen.kit, service=service))


@lab.command()
@FOLDER
@LAB
@click.option("--only", multiple=True, metavar="CHECK", help="Only this check, and those that it depends on.")
@click.option("-v", "--verbose", is_flag=True, help="Show whole transcripts.")
@click.option("--json", "as_json", is_flag=True, help="Print the verdict as JSON.")
@click.option("--html", metavar="FILE", type=click.Path(path_type=Path), help="Write the verdict as a page, too.")
def check(
    folder: Path, name: str | None, only: tuple[str, ...], verbose: bool, as_json: bool, html: Path | None
) -> None:
    """Judge the submission in DIR: what it earns, what is wrong, and what to read next.

    Exit code 0: everything passed. 1: not everything. 2: bad usage. 3: the judge itself could not work.

    \b
    threadserver lab check
    threadserver lab check submissions/ada --lab fork --json
    threadserver lab check --only many_at_once --verbose
    """
    chosen = find(name) if name else lab_of(folder)
    if html and not os.access(html.parent, os.W_OK):
        raise UsageError(f"cannot write {html}: {html.parent} is no folder in which we may write")
    verdict = _checked(chosen, folder, only, as_json=as_json, verbose=verbose)
    if html:
        verdict_page.write(html, chosen, folder, verdict)
    if not only and not verdict.broken:
        remember(chosen, folder, verdict.score, verdict.max_score)
    sys.exit(verdict.exit_code)


def _checked(chosen: Lab, folder: Path, only: tuple[str, ...], *, as_json: bool, verbose: bool) -> Verdict:
    if as_json:
        verdict = asking.check(chosen, folder, only=only)
        click.echo(json.dumps(verdict.as_json(), indent=2))
        return verdict
    console = printing.console()
    verdict_text.heading(console, chosen, str(folder))

    def done(result: Result) -> None:
        verdict_text.line(console, result)

    verdict = asking.check(
        chosen, folder, only=only, begun=lambda _, sentence: console.print(f"[dim]{sentence}[/]"), done=done
    )
    verdict_text.whole(console, verdict, verbose=verbose)
    return verdict


@lab.command()
@FOLDER
@LAB
def watch(folder: Path, name: str | None) -> None:
    """Judge again whenever a file in DIR is saved, and show the first check that fails, with its hint. Ctrl-C ends.

    \b
    threadserver lab watch
    """
    chosen = find(name) if name else lab_of(folder)
    watching.watch(chosen, folder, printing.console())


@lab.command("selftest")
@click.argument("names", nargs=-1, metavar="[NAME ...]")
@click.option("--kind", type=click.Choice(["solution", "alternatives", "mistakes"]), multiple=True,
              help="Only these submissions of each lab.")  # fmt: skip
@click.option("--repeat", default=1, show_default=True, type=click.IntRange(1), help="Judge each so many times.")
@click.option("--only", multiple=True, metavar="SUBMISSION", help="Only submissions of this name.")
@click.option("--json", "as_json", is_flag=True, help="Print the matrix as JSON.")
def selftest_command(
    names: tuple[str, ...], kind: tuple[str, ...], repeat: int, only: tuple[str, ...], as_json: bool
) -> None:
    """Judge the labs' own solutions, alternatives and mistakes, and compare with what each must lose.

    \b
    threadserver lab selftest thread
    """
    chosen = [find(name) for name in names] or labs()
    console = printing.console(stderr=as_json)

    def tell(reported: Reported) -> None:
        if reported.differs:
            console.print(f"[bold red]differs[/]  {reported.title}: {escape(reported.differs)}")
        else:
            console.print(f"[green]as it must[/]  {reported.title}")

    matrix = selftest(chosen, kinds=kind, repeat=repeat, only=only, tell=tell)
    if as_json:
        click.echo(json.dumps(matrix.as_json(), indent=2))
    else:
        console.print(matrix.table())
    sys.exit(1 if matrix.disagreements else 0)

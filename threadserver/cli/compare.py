"""``threadserver compare``: which model, for what, at what cost."""

import json
import signal
from collections.abc import Sequence
from contextlib import nullcontext
from datetime import datetime
from pathlib import Path

import click

from threadserver.cli import printing
from threadserver.cli.parameters import Amount, option
from threadserver.comparison import comparison_table, contestants, results
from threadserver.comparison.campaign import compare as carry_out
from threadserver.comparison.campaign import plan
from threadserver.comparison.changes import describe_changes
from threadserver.comparison.charts import Group
from threadserver.comparison.pictures import groups
from threadserver.comparison.report_files import write
from threadserver.comparison.results import Results
from threadserver.comparison.summary import Summary
from threadserver.core.errors import UsageError


class Numbers(click.ParamType[tuple[int, ...]]):
    """Whole numbers from 1 on, with commas between."""

    name = "N,N,…"

    def convert(self, value: object, param: click.Parameter | None, ctx: click.Context | None) -> tuple[int, ...]:
        """Read them, in order and each once."""
        words = str(value).split(",")
        if not all(word.strip().isdecimal() and int(word) for word in words):
            self.fail(f"{value!r} is not like 1,10,100", param, ctx)
        return tuple(sorted({int(word) for word in words}))


@click.command()
@click.argument("models", metavar="[MODEL]...", nargs=-1)
@click.option("--workload", "-w", "workloads", multiple=True, metavar="NAME",
              help="echo, churn, idle, sleep, spin, slow or octets; repeatable. Default: all.")  # fmt: skip
@click.option("--connections", "-c", type=Numbers(), help="How many at once. Default: by workload, as in the tour.")
@click.option("--rounds", "-n", type=click.IntRange(1, 1000), help="Default: 3 for the tour, else 6.")
@click.option("--seconds", type=Amount(0.1, 3600), help="Of each run, its warm-up left out. Default: 1.")
@click.option("--rate", type=Amount(min=0, min_open=True), metavar="R",
              help="Open loop: so many requests a second in all, whatever the server does.")  # fmt: skip
@click.option("--python", "interpreter", metavar="PATH", help="Run the servers under another interpreter.")
@option("--output", "-o", "out", formerly=["--out"], type=click.Path(file_okay=False, path_type=Path), metavar="DIR",
              help="Where the result goes; what is there is replaced. Default: a new folder.")  # fmt: skip
@click.option("--report", type=click.Path(dir_okay=False, path_type=Path), metavar="results.json",
              help="Measure nothing: draw this result again.")  # fmt: skip
@click.option("--against", type=click.Path(dir_okay=False, path_type=Path), metavar="old.json",
              help="Say what has changed since then.")  # fmt: skip
@click.option("--json", "as_json", is_flag=True, help="Print the result as JSON.")
def compare(
    models: tuple[str, ...], workloads: tuple[str, ...], connections: tuple[int, ...] | None, rounds: int | None,
    seconds: float | None, rate: float | None, interpreter: str | None, out: Path | None, report: Path | None,
    against: Path | None, as_json: bool,
) -> None:  # fmt: skip
    """Measure servers under the same load, and report it in numbers and pictures.

    MODEL is a model of the kit, or a variant of one such as prefork/mutex; a well-known server as peer:NAME; a file
    with serve(server); a program that is started as `python server.py HOST PORT [SERVICE]` and greets with HELLO
    (labs/PROTOCOL.md); or a folder that holds one, in any language. Without arguments: a tour of all models over all
    workloads, in about three minutes.

    A server that crashes, hangs, leaks or answers wrongly is reported in its row, and the rest goes on: the exit code
    is 0. Answers are compared byte by byte; whether HELLO is true is what `threadserver lab check` judges.

    \b
    threadserver compare
    threadserver compare thread mine/server.py --workload echo --connections 1,10,100
    threadserver compare thread epoll peer:asyncio -w sleep -w spin --rounds 10 -o lecture
    threadserver compare --report lecture/results.json --against before/results.json
    """
    before = results.read(against) if against else None
    if report:
        if models or workloads or connections or rounds or seconds or rate or interpreter:
            raise UsageError("--report draws what was measured: it goes with --output, --against and --json only")
        found, folder = results.read(report), out or report.parent
    else:
        folder = out or Path(f"comparison-{datetime.now().astimezone():%Y-%m-%d-%H%M%S}")
        entering = contestants.gather(models or contestants.own())
        schedule = plan(entering, workloads, connections or (), rounds, seconds, rate)
        signal.signal(signal.SIGTERM, signal.default_int_handler)  # a time limit ends it as Ctrl-C does: all is kept
        found = carry_out(schedule, interpreter, folder, printing.console(stderr=True))
    with results.intact(report) if report else nullcontext():
        summary = Summary(found)
        drawn = groups(summary)
        page = write(summary, drawn, folder) if found.runs else None
    with results.intact(against) if against else nullcontext():
        changes = list(describe_changes(Summary(before), summary)) if before else []
    if as_json:
        click.echo(json.dumps(found.as_dict(), indent=1, ensure_ascii=False))
    elif page:
        _print(summary, drawn, before, changes)
    if page:
        click.echo(f"\nopen {page} in a browser; results.json, CSV tables and pictures lie beside it", err=as_json)
    else:
        click.echo("nothing was measured", err=as_json)
    if found.interrupted and not report:
        click.get_current_context().exit(128 + signal.SIGINT)


def _print(summary: Summary, drawn: Sequence[Group], before: Results | None, changes: Sequence[str]) -> None:
    console = printing.console()
    for piece in comparison_table.report(summary, drawn, console.width):
        console.print(piece)
    if before:
        console.print(f"\n[bold]Since {before.begun[:16].replace('T', ' ')}[/bold]")
        for line in changes:
            console.print(line, markup=False, highlight=False)

"""``threadserver compare``: which model, for what, at what cost."""

import json
import signal
from datetime import datetime
from pathlib import Path

import click

from threadserver.cli import printing
from threadserver.cli.parameters import Amount, option
from threadserver.comparison import contestants, results
from threadserver.comparison.campaign import compare as carry_out
from threadserver.comparison.campaign import plan
from threadserver.comparison.comparison_report import Report, report
from threadserver.core.errors import UsageError


class Numbers(click.ParamType[tuple[int, ...]]):
    """Whole numbers from 1, separated by commas."""

    name = "N,N,…"

    def convert(self, value: object, param: click.Parameter | None, ctx: click.Context | None) -> tuple[int, ...]:
        """Return the numbers, sorted and each once."""
        words = str(value).split(",")
        if not all(word.strip().isdecimal() and int(word) for word in words):
            self.fail(f"{value!r} is not a list such as 1,10,100", param, ctx)
        return tuple(sorted({int(word) for word in words}))


@click.command()
@click.argument("models", metavar="[MODEL]...", nargs=-1)
@click.option("--workload", "-w", "workloads", multiple=True, metavar="NAME",
              help="echo, churn, idle, sleep, spin, slow or octets; repeatable. Default: all.")  # fmt: skip
@click.option("--connections", "-c", type=Numbers(), help="Connections open at once. Default: by workload.")
@click.option("--rounds", "-n", type=click.IntRange(1, 1000), help="Rounds. Default: 3 for the tour, else 6.")
@click.option("--seconds", type=Amount(0.1, 3600), help="Length of each run, without its warm-up. Default: 1.")
@click.option("--rate", type=Amount(min=0, min_open=True), metavar="R",
              help="Open loop: requests a second in total, whatever the server does.")  # fmt: skip
@click.option("--python", "interpreter", metavar="PATH", help="Interpreter for the servers.")
@option("--output", "-o", "out", formerly=["--out"], type=click.Path(file_okay=False, path_type=Path), metavar="DIR",
              help="Folder for the report; an older report there is replaced. Default: a new folder.")  # fmt: skip
@click.option("--report", "source", type=click.Path(dir_okay=False, path_type=Path), metavar="results.json",
              help="Do not measure: draw this result again.")  # fmt: skip
@click.option("--against", type=click.Path(dir_okay=False, path_type=Path), metavar="old.json",
              help="Show the changes since this earlier result.")  # fmt: skip
@click.option("--json", "as_json", is_flag=True, help="Print the result as JSON.")
def compare(
    models: tuple[str, ...], workloads: tuple[str, ...], connections: tuple[int, ...] | None, rounds: int | None,
    seconds: float | None, rate: float | None, interpreter: str | None, out: Path | None, source: Path | None,
    against: Path | None, as_json: bool,
) -> None:  # fmt: skip
    """Measure servers under the same load, and report in numbers and pictures.

    MODEL is a model of the kit or a variant such as prefork/mutex; a well-known server as peer:NAME; a file with
    serve(server); a program that runs as `python server.py HOST PORT [SERVICE]` and greets with HELLO
    (labs/PROTOCOL.md); or a folder with such a file or program, in any language. Without arguments: a tour of all
    models and workloads, in about three minutes.

    A server that crashes, hangs, leaks or answers wrongly is reported in its row, and the others go on: the exit code
    is 0. Answers are compared byte by byte; `threadserver lab check` also judges whether HELLO is true.

    \b
    threadserver compare
    threadserver compare thread mine/server.py --workload echo --connections 1,10,100
    threadserver compare thread epoll peer:asyncio -w sleep -w spin --rounds 10 -o lecture
    threadserver compare --report lecture/results.json --against before/results.json
    """
    measuring = (models, workloads, connections, rounds, seconds, rate, interpreter)
    if against:
        results.read(against)  # refuse a bad file before measuring
    if source and any(measuring):
        raise UsageError("--report draws an earlier result: combine it only with --output, --against and --json")
    if source:
        found, folder = results.read(source), out or source.parent
    else:
        folder = out or Path(f"comparison-{datetime.now().astimezone():%Y-%m-%d-%H%M%S}")
        entering = contestants.gather(models or contestants.own())
        schedule = plan(entering, workloads, connections or (), rounds, seconds, rate)
        signal.signal(signal.SIGTERM, signal.default_int_handler)  # like Ctrl-C: all figures so far are kept
        found = carry_out(schedule, interpreter, folder, printing.console(stderr=True))
    made = report(found, folder, source, against)
    _print(made, as_json=as_json)
    if found.interrupted and not source:
        click.get_current_context().exit(128 + signal.SIGINT)


def _print(made: Report, *, as_json: bool) -> None:
    console = printing.console()
    if as_json:
        click.echo(json.dumps(made.summary.results.as_dict(), indent=1, ensure_ascii=False))
    elif made.page:
        for piece in made.terminal(console.width):
            console.print(piece)
    where = f"\nopen {made.page} in a browser; the same folder holds results.json, CSV tables and pictures"
    click.echo(where if made.page else "nothing was measured", err=as_json)

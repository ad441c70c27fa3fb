"""``threadserver load``: requests for a server, and how it copes with them."""

import json
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import click
from rich.console import Console
from rich.progress import Progress as Bar

from threadserver.cli.parameters import SECONDS, cores, option
from threadserver.clients.load import WORKLOADS, LoadError, Plan, load_table, run
from threadserver.clients.load.coordinator import Progress

COUNT = click.IntRange(1)


@click.command()
@click.argument("address", default="tcp://127.0.0.1:7000")
@click.option("--workload", "-w", default="echo", show_default=True, metavar="NAME", help=f"{', '.join(WORKLOADS)}.")
@click.option("--connections", "-c", default=10, show_default=True, type=COUNT, help="Open at once.")
@click.option("--seconds", default=2.0, show_default=True, type=SECONDS, help="How long is measured.")
@click.option("--warm-up", default=0.5, show_default=True, type=SECONDS, help="Seconds of load before that.")
@click.option("--rate", type=float, help="Requests a second in all, whatever the server does: open loop.")
@click.option("--processes", default=1, show_default=True, type=COUNT, help="That generate the load.")
@click.option("--payload", default=64, show_default=True, help="Bytes of a line with its LF; octets: of an answer.")
@click.option("--milliseconds", type=int, help="For sleep and spin.  [default: 10 and 1]")
@option("--slow-connections", "slow_clients", formerly=["--slow-clients"], default=4, show_default=True, type=COUNT,
        help="Slow connections beside the fast ones, for slow.")  # fmt: skip
@click.option("--no-confirm", is_flag=True, help="The server sends no HELLO: plain lines.")
@click.option(
    "--timeout", "-t", default=5.0, show_default=True, type=SECONDS, help="To connect, and for the last answers."
)
@click.option("--cpus", type=cores, metavar="LIST", help="Cores to pin the processes to, such as 1,3.")
@click.option("--seed", default=1, show_default=True, help="Of the random lines.")
@click.option("--json", "as_json", is_flag=True, help="As JSON; clients/load/result.py says what is in it.")
def load(no_confirm: bool, as_json: bool, **options: Any) -> None:  # noqa: ANN401
    """Load the server at ADDRESS, and say how many requests it answers, and how soon.

    The server must offer the service of the workload: sleep, spin or octets, and for all others echo. Only right
    answers count. Exit code 1 when anything went wrong; Ctrl-C shows what was measured until then.

    \b
    threadserver load tcp://127.0.0.1:7000 --connections 100 --seconds 5
    threadserver load tcp://127.0.0.1:7000 --rate 1000 --json
    threadserver load tcp://127.0.0.1:7000 --workload churn --no-confirm
    """
    plan = Plan(confirm=not no_confirm, **options)
    with _progress() as progress:
        result = run(plan, progress)
    if as_json:
        click.echo(json.dumps(result.as_dict()))
    elif not result.failure:
        Console(soft_wrap=True).print(load_table.table(result))
    if result.failure:
        raise LoadError(result.failure)
    if result.interrupted:
        sys.exit(128 + signal.SIGINT)
    if result.flawed:
        sys.exit(1)


@contextmanager
def _progress() -> Iterator[Progress]:
    """Show what is done now, for a person at a terminal."""
    with Bar(console=Console(stderr=True), transient=True, disable=not sys.stderr.isatty()) as bar:
        task = bar.add_task("starting", total=1.0)
        yield lambda what, part: bar.update(task, description=what, completed=part)

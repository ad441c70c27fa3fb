"""``threadserver load``: send requests to a server, and measure how it copes."""

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
@click.option("--connections", "-c", default=10, show_default=True, type=COUNT, help="Connections open at once.")
@click.option("--seconds", default=2.0, show_default=True, type=SECONDS, help="Length of the measured time.")
@click.option("--warm-up", default=0.5, show_default=True, type=SECONDS, help="Seconds of load before that.")
@click.option("--rate", type=float, help="Open loop: requests a second in total, whatever the server does.")
@click.option("--processes", default=1, show_default=True, type=COUNT, help="Processes that generate the load.")
@click.option("--payload", default=64, show_default=True, help="Bytes of a line, LF included; octets: of an answer.")
@click.option("--milliseconds", type=int, help="Milliseconds that sleep and spin ask for.  [default: 10 and 1]")
@option("--slow-connections", "slow_clients", formerly=["--slow-clients"], default=4, show_default=True, type=COUNT,
        help="Slow connections, for the workload slow.")  # fmt: skip
@click.option("--no-confirm", is_flag=True, help="Expect no HELLO: send plain lines.")
@click.option("--timeout", "-t", default=5.0, show_default=True, type=SECONDS,
              help="Seconds to connect, and for the last answers.")  # fmt: skip
@click.option("--cpus", type=cores, metavar="LIST", help="Cores to pin the processes to, such as 1,3.")
@click.option("--seed", default=1, show_default=True, help="Seed for the random lines.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON; clients/load/result.py lists its keys.")
def load(no_confirm: bool, as_json: bool, **options: Any) -> None:  # noqa: ANN401
    """Load the server at ADDRESS; show how many requests it answers, and how fast.

    The server must offer the service of the workload: sleep, spin or octets, and echo for all others. Only correct
    answers count. The exit code is 1 if anything went wrong; Ctrl-C shows the figures up to that point.

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
    """Show the progress on a terminal."""
    with Bar(console=Console(stderr=True), transient=True, disable=not sys.stderr.isatty()) as bar:
        task = bar.add_task("starting", total=1.0)
        yield lambda what, part: bar.update(task, description=what, completed=part)

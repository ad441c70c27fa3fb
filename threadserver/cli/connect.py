"""``threadserver connect``: a client at a prompt, in a pipeline, or as a crowd."""

import json
import sys
from dataclasses import asdict

import click
from rich.console import Console
from rich.progress import Progress

from threadserver.cli.parameters import SECONDS, option, recording
from threadserver.clients.client import Client
from threadserver.clients.crowd import Crowd, converse
from threadserver.clients.pipe import pipe
from threadserver.clients.prompt import prompt
from threadserver.core.address import Address
from threadserver.core.trace import Recorder


@click.command()
@click.argument("address", default="tcp://127.0.0.1:7000")
@option(
    "--connections", "-c", formerly=["--clients"], type=click.IntRange(1, 20_000), metavar="N",
    help="Be a crowd: N clients at the same time.",
)  # fmt: skip
@option(
    "--lines", default=10, show_default=True, type=click.IntRange(0), help="Lines that each client of a crowd sends."
)
@option("--json", "as_json", is_flag=True, help="With --connections: print as JSON which worker served which client.")
@option("--no-confirm", is_flag=True, help="Expect no HELLO: plain lines.")
@option("--no-answers", is_flag=True, help="Do not wait for answers, for a service that sends none (discard).")
@option(
    "--timeout", "-t", type=SECONDS, metavar="SECONDS",
    help="Seconds to connect and to be greeted; 0: no limit.  [default: 5; a crowd: 30]",
)  # fmt: skip
@option("--trace", metavar="FILE", help="Append every call to a trace, for `threadserver diagram`.")
def connect(
    address: str,
    connections: int | None,
    lines: int,
    as_json: bool,
    no_confirm: bool,
    no_answers: bool,
    timeout: float | None,
    trace: str | None,
) -> None:
    """Connect to the server at ADDRESS: at a prompt, in a pipeline, or as a crowd.

    \b
    threadserver connect tcp://127.0.0.1:7000
    seq 1000 | threadserver connect tcp://127.0.0.1:7000
    threadserver connect tcp://127.0.0.1:7000 --connections 50 --lines 10
    """
    if as_json and not connections:
        raise click.UsageError("--json goes with --connections")
    if no_answers and connections:
        raise click.UsageError("a crowd waits for answers: --no-answers does not go with --connections")
    where = Address.parse(address)
    with recording(trace) as recorder:
        if connections:
            _crowd(where, connections, lines, not no_confirm, _limit(timeout, 30.0), recorder, as_json=as_json)
            return
        with Client(where, confirm=not no_confirm, timeout=_limit(timeout, 5.0), recorder=recorder) as client:
            if sys.stdin.isatty():
                prompt(client, answers=not no_answers)
            else:  # not sys.stdin, and not closed here: a thread that still reads from it holds its lock
                source = open(sys.stdin.fileno(), "rb", closefd=False)  # noqa: SIM115
                pipe(client, source, sys.stdout.buffer, answers=not no_answers)


def _limit(seconds: float | None, default: float) -> float | None:
    """Return None, which means no limit, for 0: every time-out of the kit reads 0 that way."""
    return default if seconds is None else seconds or None


def _crowd(
    address: Address,
    clients: int,
    lines: int,
    confirm: bool,
    timeout: float | None,
    recorder: Recorder | None,
    *,
    as_json: bool,
) -> None:
    with Progress(console=Console(stderr=True), transient=True, disable=not sys.stderr.isatty()) as progress:
        task = progress.add_task("clients served", total=clients)
        crowd = converse(
            address,
            clients,
            lines,
            confirm=confirm,
            timeout=timeout,
            recorder=recorder,
            done=lambda: progress.advance(task),
        )
    if as_json:
        click.echo(json.dumps({"workers": len(crowd.workers), "members": [asdict(member) for member in crowd.members]}))
    else:
        _show(crowd)
    if crowd.failures:
        sys.exit(1)


def _show(crowd: Crowd) -> None:
    for worker, served in crowd.workers.most_common(20):
        click.echo(f"worker {worker} served {_count(served, 'client')}")
    if len(crowd.workers) > 20:
        click.echo(f"… and {len(crowd.workers) - 20} more workers")
    processes = len({worker.partition("/")[0] for worker in crowd.workers})
    answers = sum(member.answers for member in crowd.members)
    click.echo(
        f"{_count(len(crowd.members), 'client')} got {_count(answers, 'answer')} "
        f"from {_count(len(crowd.workers), 'distinct worker')} in {_count(processes, 'process', 'processes')}"
    )
    for failure, times in crowd.failures.most_common():
        click.echo(f"{times} failed: {failure}", err=True)


def _count(number: int, one: str, more: str = "") -> str:
    return f"{number} {one if number == 1 else more or one + 's'}"

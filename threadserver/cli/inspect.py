"""``threadserver inspect``: see inside any running server."""

import json
import time
from collections.abc import Callable
from contextlib import nullcontext
from dataclasses import asdict
from pathlib import Path

import click
from rich.console import Console, RenderableType
from rich.live import Live

from threadserver.cli import printing
from threadserver.cli.parameters import option
from threadserver.core.errors import KitError
from threadserver.inspection import finding, picture, portable, report, task_table


@click.command()
@click.argument("target", metavar="[PID|ADDRESS|NAME]", required=False)
@click.option("--tree", is_flag=True, help="Show a tree of processes and threads instead of a table.")
@click.option("--watch", is_flag=True, help="Refresh in place until Ctrl-C, or until the server ends.")
@click.option(
    "--interval", type=click.FloatRange(min=0.05), default=0.5, show_default=True,
    help="Seconds between two refreshes of --watch.",
)  # fmt: skip
@click.option("--json", "as_json", is_flag=True, help="Print the report as JSON.")
@option("--output", "-o", "page", formerly=["--html"], metavar="FILE", type=click.Path(dir_okay=False),
        help="Also write the report as a picture, to this HTML file.")  # fmt: skip
def inspect(target: str | None, tree: bool, watch: bool, interval: float, as_json: bool, page: str | None) -> None:
    """Show what every thread of a running server is blocked in, and the server's connections.

    This works for any program in any language. It only reads from the kernel; the server does not notice. Without an
    argument, inspect lists the servers that listen on this machine.

    \b
    threadserver inspect
    threadserver inspect tcp://127.0.0.1:7000
    threadserver inspect nginx --tree
    threadserver inspect 8622 --watch
    """
    if target is None:
        _list(as_json)
        return
    found = finding.find(target) if portable.has_proc() else portable.find(target)
    look = report.inspect if portable.has_proc() else portable.inspect
    seen = look(found)
    if page:
        _write(Path(page), picture.page(seen, target))
    if as_json:
        click.echo(json.dumps(seen.as_json(), indent=2))
        return
    render = task_table.tree if tree else task_table.table
    console = printing.console()
    if not watch:
        console.print(render(seen))
        return

    def frame() -> RenderableType | None:
        now = look(found)
        return render(now) if now.processes else None

    _watch(console, frame, interval)


def _list(as_json: bool) -> None:
    listeners = report.listening() if portable.has_proc() else portable.listening()
    if as_json:
        click.echo(json.dumps([asdict(one) for one in listeners], indent=2))
    else:
        printing.console().print(task_table.listening_table(listeners, portable.names()))


def _watch(console: Console, frame: Callable[[], RenderableType | None], interval: float) -> None:
    """Show frame after frame: in place on a terminal, one below the other elsewhere."""
    try:
        with (
            Live(console=console, auto_refresh=False, vertical_overflow="crop")
            if console.is_terminal
            else nullcontext() as live
        ):
            while (seen := frame()) is not None:
                if live:
                    live.update(seen, refresh=True)
                else:
                    console.print(seen)
                time.sleep(interval)
    except KeyboardInterrupt:
        return
    console.print("the server has ended")


def _write(path: Path, text: str) -> None:
    try:
        path.write_text(text, encoding="utf-8")
    except OSError as error:
        raise KitError(f"cannot write {path}: {error.strerror}") from error

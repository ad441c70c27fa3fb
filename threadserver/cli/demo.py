"""``threadserver demo``: watch the twelve steps of a connection."""

import sys
from pathlib import Path

import click

from threadserver.cli.parameters import complete_models, option
from threadserver.core import models
from threadserver.diagrams.demonstration import run
from threadserver.diagrams.terminal_diagram import console_for


@click.command()
@option(
    "--model", "-m", default="thread", metavar="NAME|PATH", show_default=True, shell_complete=complete_models,
    help=f"The model to watch, by name or by its file: {', '.join(models.names())}.",
)  # fmt: skip
@option(
    "--output", "-o", "out", formerly=["--out"], default="demo", metavar="DIR", show_default=True,
    type=click.Path(path_type=Path), help="Folder for the pages.",
)  # fmt: skip
def demo(model: str, out: Path) -> None:
    """Watch a server and three clients go through the twelve steps of a connection. One client is slow.

    \b
    threadserver demo
    threadserver demo --model iterative      # here all clients wait for the slow one
    """
    models.find(model)
    run(model, out, console_for(sys.stdout))

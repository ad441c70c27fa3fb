"""``threadserver demo``."""

import sys
from pathlib import Path

import click

from threadserver.core import models
from threadserver.diagrams.demonstration import run
from threadserver.diagrams.terminal_diagram import console_for


@click.command()
@click.option(
    "--model",
    default="thread",
    metavar="NAME|PATH",
    show_default=True,
    help=f"Whom to watch: {', '.join(models.names())}.",
)
@click.option(
    "--out", default="demo", metavar="DIR", show_default=True, type=click.Path(path_type=Path), help="For the pages."
)
def demo(model: str, out: Path) -> None:
    """Watch a server and three clients go through the twelve steps, one of the clients slow.

    \b
    threadserver demo
    threadserver demo --model iterative      # see who waits for the slow one
    """
    models.find(model)
    run(model, out, console_for(sys.stdout))

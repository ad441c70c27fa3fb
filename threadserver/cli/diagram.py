"""``threadserver diagram``: draw the steps in a trace."""

import io
import sys
from pathlib import Path

import click

from threadserver.cli.parameters import option
from threadserver.core.errors import KitError, UsageError, reason
from threadserver.core.trace import Record, read
from threadserver.diagrams.diagram_page import page
from threadserver.diagrams.mermaid import mermaid
from threadserver.diagrams.perfetto import perfetto
from threadserver.diagrams.sequence import sequence
from threadserver.diagrams.still import still
from threadserver.diagrams.terminal_diagram import console_for, draw

SUFFIXES = {
    ".html": "html",
    ".htm": "html",
    ".mmd": "mermaid",
    ".mermaid": "mermaid",
    ".json": "perfetto",
    ".svg": "svg",
    ".txt": "terminal",
}
FORMATS = ("terminal", "html", "svg", "mermaid", "perfetto")


@click.command()
@click.argument("traces", metavar="TRACE...", nargs=-1, required=True)
@click.option(
    "--format",
    "form",
    type=click.Choice(FORMATS),
    help="Form of the diagram; by default from the suffix of FILE, else terminal.",
)
@click.option("--output", "-o", metavar="FILE", help="Write to FILE instead of the terminal.")
@option("--only", "numbers", formerly=["--connection", "-c"], metavar="N", type=int, multiple=True,
        help="Draw connection N only. May be repeated.")  # fmt: skip
def diagram(traces: tuple[str, ...], form: str | None, output: str | None, numbers: tuple[int, ...]) -> None:
    """Draw the recorded steps of each connection.

    A TRACE comes from `serve --trace` or `connect --trace`; traces of both sides become one picture. TRACE - is
    standard input.

    \b
    threadserver diagram server.trace client.trace
    threadserver diagram run.trace -o run.html        a page to click through in a browser
    threadserver diagram run.trace -o run.svg         a picture, for a document
    threadserver diagram run.trace -o run.mmd         Mermaid, for a document
    threadserver diagram run.trace -o run.json        open it in https://ui.perfetto.dev
    """
    records = _read(traces)
    whole = sequence(records)
    shown = whole.only(numbers) if numbers else whole
    form = form or _form(output)
    if form == "terminal" and output is None:
        draw(shown, console_for(sys.stdout))
        return
    if form == "terminal":
        drawing = io.StringIO()
        draw(shown, console_for(drawing))
        text = drawing.getvalue()
    elif form == "perfetto":
        text = perfetto(shown.records() if numbers else records)
    else:
        text = {"html": page, "svg": still, "mermaid": mermaid}[form](shown)
    _write(text, output)


def _form(output: str | None) -> str:
    suffix = Path(output or "").suffix.lower()
    if suffix and suffix not in SUFFIXES:
        raise UsageError(
            f"cannot tell the format of {output} from its suffix (known: {', '.join(SUFFIXES)}); add --format"
        )
    return SUFFIXES.get(suffix, "terminal")


def _read(traces: tuple[str, ...]) -> list[Record]:
    records = read("/dev/stdin" if trace == "-" else trace for trace in traces)
    if not records:
        raise KitError(f"nothing to draw: {', '.join(traces)} {'is' if len(traces) == 1 else 'are'} empty")
    return records


def _write(text: str, output: str | None) -> None:
    """Write to a file, a link to one, a pipe or a device; None and - are standard output."""
    if output is None or output == "-":
        click.echo(text, nl=False)
        return
    try:
        Path(output).write_text(text, encoding="utf-8")
    except OSError as error:
        raise KitError(f"cannot write {output}: {reason(error)}") from error

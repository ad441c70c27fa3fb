"""A verdict in the terminal: a line for each check as it comes, then what failed and why, then the total."""

from collections.abc import Callable

from rich.console import Console, RenderableType
from rich.markup import escape
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from threadserver.core.labs import Lab
from threadserver.core.printable import printable
from threadserver.judge.outcomes import Outcome, Result, Verdict
from threadserver.judge.transcript import LAST

SIGNS = {
    Outcome.PASSED: ("passed", "green"),
    Outcome.FAILED: ("FAILED", "bold red"),
    Outcome.BLOCKED: ("blocked", "yellow"),
    Outcome.UNDETERMINED: ("undetermined", "magenta"),
    Outcome.ERROR: ("error", "bold magenta"),
}


def heading(console: Console, lab: Lab, folder: str) -> None:
    """Print what is judged."""
    console.print(f"[bold]{escape(lab.name)}[/]: {escape(lab.title)} ({escape(printable(folder))})", soft_wrap=True)


def line(console: Console, result: Result) -> None:
    """Print one check, on one line."""
    word, style = SIGNS[result.outcome]
    points = f"{result.points:g}/{result.max_points:g}"
    cells = (
        Text(f"{word:>12}", style), Text(f"{points:>6}"), Text(f"{result.name:<16}", "bold"), Text(result.sentence)
    )  # fmt: skip
    _print(console, Text("  ").join(cells), lambda: _row(cells))


def _row(cells: tuple[Text, ...]) -> Table:
    """Lay out the columns so that a long sentence wraps within its own."""
    row = Table.grid(padding=(0, 2, 0, 0))
    for cell in cells[:-1]:
        row.add_column(width=cell.cell_len, no_wrap=True)
    row.add_row(*cells)
    return row


def details(console: Console, result: Result, *, verbose: bool) -> None:
    """Print what happened in a check that did not pass, and what to read next."""
    word, style = SIGNS[result.outcome]
    console.print()
    console.print(Text.assemble((word, style), " ", (result.name, "bold"), f": {result.sentence}"), soft_wrap=True)
    part(console, "", result.message)
    transcript = result.transcript.splitlines()
    if not verbose and len(transcript) > LAST:
        transcript = [f"({len(transcript) - LAST} earlier lines; --all shows them)", *transcript[-LAST:]]
    part(console, "On the wire", "\n".join(transcript))
    part(console, "Inside the server", result.evidence)
    part(console, "Hint", result.hint)


def part(console: Console, title: str, text: str) -> None:
    """Print a paragraph below its title; nothing where it is empty."""
    if text:
        if title:
            console.print(f"  [dim]{title}[/]")
        indent = 4 if title else 2
        lines = Text("\n".join(" " * indent + line for line in text.splitlines()))
        _print(console, lines, lambda: Padding(Text(text), (0, 0, 0, indent)))


def _print(console: Console, plain: Text, folded: Callable[[], RenderableType]) -> None:
    """Wrap long lines at the terminal's width; a pipe or a file gets each line whole."""
    if console.is_terminal:
        console.print(folded())
    else:
        console.print(plain, soft_wrap=True)


def total(console: Console, verdict: Verdict, *, brief: bool = False) -> None:
    """Print the score, what it leaves open, and whether the judge could finish. ``brief``: on the first screen."""
    counts = {outcome: sum(one.outcome is outcome for one in verdict.checks) for outcome in Outcome}
    said = ", ".join(f"{count} {outcome}" for outcome, count in counts.items() if count)
    if brief:
        console.print(f"[dim]--all shows everything; --seed {verdict.seed} repeats the same questions.[/]")
    else:
        console.print()
        console.print(
            f"[dim]Seed {verdict.seed}: --seed {verdict.seed} makes the judge ask the same questions again.[/]"
        )
    console.print(Text.assemble((verdict.total, "bold"), f" ({said})" if said else ""))
    if verdict.provisional:
        console.print(Text(verdict.standing.capitalize(), "magenta"), soft_wrap=True)
        console.print("Undetermined checks keep their points until a person has looked at the evidence.")
    for note in verdict.notes:
        console.print(Text(f"Note: {note}"))
    if verdict.problem:
        console.print(Text(f"The judge could not finish: {verdict.problem}", "bold magenta"))
    elif counts[Outcome.ERROR]:
        console.print(
            Text("The judge itself failed. This does not count against the submission: run it again.", "magenta")
        )


def whole(console: Console, verdict: Verdict, *, verbose: bool) -> None:
    """Print everything that did not pass, in order, then the total."""
    for result in verdict.checks:
        if result.outcome in {Outcome.FAILED, Outcome.UNDETERMINED, Outcome.ERROR}:
            details(console, result, verbose=verbose)
    total(console, verdict)

"""A comparison in the terminal: one table per load with the best on top, then faults and findings."""

from collections.abc import Iterator, Sequence

from rich.console import RenderableType
from rich.markup import escape
from rich.table import Table
from rich.text import Text

from threadserver.comparison.cells import Cell
from threadserver.comparison.charts import Group
from threadserver.comparison.comparison_notes import headline, interpreter, notes
from threadserver.comparison.number_format import amount, interval, number
from threadserver.comparison.results import Run
from threadserver.comparison.summary import FIGURES, Summary

MAIN = {"idle": "memory", "sleep": "overlap", "spin": "overlap", "octets": "cpu"}
"""The main figure of a workload; for all others it is throughput."""
COLUMNS = {
    "throughput": "requests/s", "memory": "per connection", "overlap": "at once", "p50": "p50", "p99": "p99",
    "cpu": "CPU", "tasks": "tasks", "fairness": "fairness",
}  # fmt: skip
LONGEST_LINE = 300
"""Characters shown of a line of a server's output."""
PRINTED_GROUPS = ("throughput", "slow", "sleep", "spin", "memory", "octets")
"""Groups of pictures whose sentences the terminal shows too."""


def report(summary: Summary, drawn: Sequence[Group], width: int) -> Iterator[RenderableType]:
    """Yield the report piece by piece; ``width`` is the number of characters in a line."""
    yield Text(headline(summary.results), style="bold")
    yield Text(f"servers run by {interpreter(summary.results)}", style="dim")
    for cell in summary.cells:
        yield ""
        yield _table(summary, cell, width)
    yield from _faults(summary)
    yield from _findings(drawn)
    yield ""
    for note in notes(summary):
        yield Text(note, style="yellow")


def _table(summary: Summary, cell: Cell, width: int) -> Table:
    main = MAIN.get(cell.workload, "throughput")
    names = _order(summary, cell, main)
    columns = _fitting(_columns(summary, cell, main, names), width - max(map(len, names)))
    table = Table(title=escape(str(cell)), title_justify="left", title_style="bold", box=None, pad_edge=False)
    table.min_width = len(str(cell))  # keeps the title on one line
    table.add_column("server", no_wrap=True)
    for head in columns:
        table.add_column(head, justify="right", no_wrap=True)
    for at, name in enumerate(names):
        table.add_row(escape(name), *(column[at] for column in columns.values()))
    return table


def _columns(summary: Summary, cell: Cell, main: str, names: list[str]) -> dict[str, list[str]]:
    """Return the columns that a table could have, the most important first."""
    columns = {COLUMNS[main]: [_main(summary, main, name, cell) for name in names]}
    estimates = [summary.estimate(main, name, cell) for name in names]
    columns["95 % interval"] = [interval(e, _plain(main)) if e and e.bounded else "" for e in estimates]
    words = [summary.word(name, cell) for name in names]
    columns[""] = [f"[red]{word}[/red]" if word else "" for word in words]
    for key in COLUMNS:
        if key not in (main, "memory", "overlap"):
            columns[COLUMNS[key]] = [_figure(summary, key, name, cell) for name in names]
    return {head: column for head, column in columns.items() if any(column)}


def _fitting(columns: dict[str, list[str]], room: int) -> dict[str, list[str]]:
    """Drop columns that do not fit, the least important first."""
    fitting: dict[str, list[str]] = {}
    for head, column in columns.items():
        room -= max(len(head), *(len(said.removeprefix("[red]").removesuffix("[/red]")) for said in column)) + 2
        if room >= 0 or not fitting:
            fitting[head] = column
    return fitting


def _main(summary: Summary, key: str, name: str, cell: Cell) -> str:
    if not summary.runs(name, cell):
        return "not measured"
    return _figure(summary, key, name, cell) + (" *" if key == "throughput" and summary.limited(name, cell) else "")


def _order(summary: Summary, cell: Cell, key: str) -> list[str]:
    ranked = [name for name, _ in summary.ranking(key, cell)]
    return ranked + [name for name in summary.results.entering(cell) if name not in ranked]


def _plain(key: str) -> str:
    """Return the unit, unless the column heading states it."""
    return FIGURES[key].unit if FIGURES[key].unit in ("seconds", "bytes") else ""


def _figure(summary: Summary, key: str, name: str, cell: Cell) -> str:
    found = summary.estimate(key, name, cell)
    if found is None:
        return ""
    return amount(found.median, _plain(key)) if _plain(key) else number(found.median)


def _faults(summary: Summary) -> Iterator[RenderableType]:
    faults = summary.faults()
    if faults:
        yield ""
        yield Text("Faults", style="bold")
    for run in faults:
        yield Text.assemble((f"{run.contestant}, {run.cell}: ", ""), (run.outcome, "red"), f": {run.why}")
        if run.output:
            yield Text(f"    {_key_line(run)}", style="dim")


def _key_line(run: Run) -> str:
    """Choose the most telling line of the output: the last, or a compiler error, as make ends with lines of its own."""
    lines = run.output.splitlines()
    errors = [line for line in lines if "error:" in line] if run.outcome == "not built" else []
    said = errors[0] if errors else f"last output: {lines[-1]}"
    return said if len(said) <= LONGEST_LINE else said[:LONGEST_LINE] + "…"


def _findings(drawn: Sequence[Group]) -> Iterator[RenderableType]:
    yield ""
    yield Text("Findings", style="bold")
    for group in drawn:
        for picture in group.pictures if group.key in PRINTED_GROUPS else ():
            yield Text.assemble((f"{group.title}: {picture.choice}. ", "bold"), picture.sentence)

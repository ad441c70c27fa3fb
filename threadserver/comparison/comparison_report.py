"""A report: draw a result, write it with its page, tables and pictures, and show it in the terminal."""

from collections.abc import Iterator, Sequence
from contextlib import nullcontext
from dataclasses import dataclass, field
from pathlib import Path

from rich.console import RenderableType
from rich.text import Text

from threadserver.comparison import comparison_table, tables
from threadserver.comparison.changes import describe_changes
from threadserver.comparison.charts import Group
from threadserver.comparison.comparison_page import page, write_pictures
from threadserver.comparison.pictures import groups
from threadserver.comparison.results import Results, intact, read
from threadserver.comparison.summary import Summary
from threadserver.core.errors import KitError, reason


def write(summary: Summary, drawn: Sequence[Group], folder: Path) -> Path:
    """Write everything into a folder; return the page's path. Raises KitError if that fails."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        summary.results.write(folder / "results.json")
        file = folder / "report.html"
        file.write_text(page(summary, drawn), encoding="utf-8")
        tables.write(summary, folder)
        write_pictures(summary, drawn, folder / "pictures")
    except OSError as error:
        raise KitError(f"cannot write into {folder}: {reason(error)}") from error
    return file


@dataclass(frozen=True, slots=True)
class Report:
    """A result, drawn and written."""

    summary: Summary
    drawn: Sequence[Group]
    page: Path | None
    """None if nothing was measured."""
    since: str = ""
    """When the earlier comparison began; empty without one."""
    changes: Sequence[str] = field(default_factory=list)
    """What has changed since the earlier comparison."""

    def terminal(self, width: int) -> Iterator[RenderableType]:
        """Yield the report piece by piece; ``width`` is the number of characters in a line."""
        yield from comparison_table.report(self.summary, self.drawn, width)
        if self.since:
            yield Text(f"\nChanges since {self.since}", style="bold")
        yield from map(Text, self.changes)


def report(found: Results, folder: Path, source: Path | None = None, against: Path | None = None) -> Report:
    """Draw a result, write it into a folder, and compare it with an earlier one.

    ``source`` is the file that it was read from, ``against`` that of the earlier comparison. Raises UsageError for a
    damaged file, and KitError if the folder cannot be written.
    """
    before = read(against) if against else None
    with intact(source) if source else nullcontext():
        summary = Summary(found)
        drawn = groups(summary)
        page = write(summary, drawn, folder) if found.runs else None
    if not (against and before):
        return Report(summary, drawn, page)
    with intact(against):
        changes = list(describe_changes(Summary(before), summary))
    return Report(summary, drawn, page, before.begun[:16].replace("T", " "), changes)

"""Writes a report: the result itself, the page, the tables, the pictures."""

from collections.abc import Sequence
from pathlib import Path

from threadserver.comparison import tables
from threadserver.comparison.charts import Group
from threadserver.comparison.comparison_page import page, write_pictures
from threadserver.comparison.summary import Summary
from threadserver.core.errors import KitError, reason


def write(summary: Summary, drawn: Sequence[Group], folder: Path) -> Path:
    """Write everything into a folder; give the page. Raises KitError when that cannot be done."""
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

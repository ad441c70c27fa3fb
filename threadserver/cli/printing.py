"""Where commands print tables and sentences: folded to the width of a terminal, and nowhere else."""

import os
import sys

from rich.console import Console

LINE = 10_000
"""Columns where nobody says how many there are: in a pipe, a file or a log a row stays one line, for grep and diff."""


def console(*, stderr: bool = False) -> Console:
    """Give a console for standard output, or error. Colours only on a terminal, and never with NO_COLOR."""
    stream = sys.stderr if stderr else sys.stdout
    known = stream.isatty() or "COLUMNS" in os.environ
    return Console(stderr=stderr, highlight=False, width=None if known else LINE)

"""The console on which commands print tables and sentences. It wraps lines on a terminal, and nowhere else."""

import os
import sys

from rich.console import Console

LINE = 10_000
"""Columns where the width is unknown: in a pipe, a file or a log each row stays on one line, for grep and diff."""


def console(*, stderr: bool = False) -> Console:
    """Return a console for standard output or standard error. It has colours on a terminal, unless NO_COLOR is set."""
    stream = sys.stderr if stderr else sys.stdout
    known = stream.isatty() or "COLUMNS" in os.environ
    return Console(stderr=stderr, highlight=False, width=None if known else LINE)

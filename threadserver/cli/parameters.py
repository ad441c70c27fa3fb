"""Parameters that several commands share."""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from math import isfinite
from typing import Any

import click

from threadserver.core.trace import Recorder


class Amount(click.FloatRange):
    """A number in a range; ``nan`` is in none."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> float:  # noqa: ANN401
        """Refuse what is no amount."""
        amount = float(super().convert(value, param, ctx))
        if not isfinite(amount):
            self.fail(f"{value!r} is no amount.", param, ctx)
        return amount


SECONDS = Amount(0, 31_536_000)
"""A length of time, up to a year."""


def cores(text: str) -> frozenset[int]:
    """Read processor cores by number, with commas between."""
    if not re.fullmatch(r"\d{1,5}(,\d{1,5})*", text):
        raise click.BadParameter(f"{text!r} is no list of cores, such as 1,3")
    return frozenset(map(int, text.split(",")))


@contextmanager
def recording(path: str | None, *, anew: bool = False) -> Iterator[Recorder | None]:
    """Give a recorder for the trace that was asked for, if one was."""
    if path is None:
        yield None
        return
    recorder = Recorder(path, truncate=anew)
    try:
        yield recorder
    finally:
        recorder.close()

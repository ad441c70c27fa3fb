"""Parameters that several commands share. CONTRIBUTING.md holds the table of option names."""

import re
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from math import isfinite
from typing import Any, TypeVar

import click
from click.shell_completion import CompletionItem

from threadserver.core import models
from threadserver.core.trace import Recorder

Command = TypeVar("Command", bound=Callable[..., Any])


class Option(click.Option):
    """An option that also answers to the names it had before, which its help does not show."""

    def __init__(self, names: Sequence[str], *, formerly: Sequence[str] = (), **settings: Any) -> None:  # noqa: ANN401
        super().__init__(names, **settings)
        self.formerly = list(formerly)

    def add_to_parser(self, parser: Any, ctx: click.Context) -> None:  # noqa: ANN401
        """Teach the parser the former names too, and leave the list that help reads as it was."""
        shown = self.opts
        self.opts = [*shown, *self.formerly]
        try:
            super().add_to_parser(parser, ctx)
        finally:
            self.opts = shown


def option(*names: str, formerly: Sequence[str] = (), **settings: Any) -> Callable[[Command], Command]:  # noqa: ANN401
    """Declare an option; ``formerly`` lists the names under which older scripts know it."""
    return click.option(*names, cls=Option, formerly=formerly, **settings)


class Amount(click.FloatRange):
    """A number in a range; ``nan`` is in none."""

    name = "number"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> float:  # noqa: ANN401
        """Read the number. Fails on infinity and on ``nan``."""
        amount = float(super().convert(value, param, ctx))
        if not isfinite(amount):
            self.fail(f"{value!r} is not a finite number.", param, ctx)
        return amount


class Seconds(Amount):
    """A length of time, from 0 seconds to a year."""

    name = "seconds"


SECONDS = Seconds(0, 31_536_000)


def cores(text: str) -> frozenset[int]:
    """Read the numbers of processor cores, separated by commas."""
    if not re.fullmatch(r"\d{1,5}(,\d{1,5})*", text):
        raise click.BadParameter(f"{text!r} is not a list of cores, such as 1,3")
    return frozenset(map(int, text.split(",")))


def complete_models(_context: click.Context, _parameter: click.Parameter, begun: str) -> list[CompletionItem]:
    """Complete the name of a model, or the path of a file that holds one."""
    names = [CompletionItem(name) for name in models.names() if name.startswith(begun)]
    return names or [CompletionItem(begun, type="file")]


@contextmanager
def recording(path: str | None, *, overwrite: bool = False) -> Iterator[Recorder | None]:
    """Yield a recorder that writes to ``path``, or None if there is no path."""
    if path is None:
        yield None
        return
    recorder = Recorder(path, truncate=overwrite)
    try:
        yield recorder
    finally:
        recorder.close()

"""The ``threadserver`` command: one module a command, no logic in any of them."""

import logging
import os
import signal
import sys
from collections.abc import Sequence
from importlib import import_module
from typing import Any

import click

from threadserver.core.errors import KitError, reason
from threadserver.core.printable import printable

COMMANDS = ("demo", "serve", "connect", "load", "inspect", "classify", "compare", "lab", "doctor", "diagram")
"""In the order in which one meets them."""


class Commands(click.Group):
    """A group of commands whose errors are one line, and whose exit codes are 0, 1 and 2."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002
        """List the commands in the order in which one meets them."""
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002
        """Find a command in the module of its name, which only now is imported: a server starts at once."""
        if cmd_name not in COMMANDS:
            return None
        return getattr(import_module(f"threadserver.cli.{cmd_name}"), cmd_name)  # type: ignore[no-any-return]

    def main(self, args: Sequence[str] | None = None, *rest: Any, **options: Any) -> Any:  # noqa: ANN401
        """Run a command, and turn its errors into one line and an exit code."""
        _open_closed_streams()
        try:
            try:
                return super().main(args, *rest, **options)
            finally:
                sys.stdout.flush()
        except KitError as error:
            click.echo(printable(f"threadserver: {error}", keep="\n"), err=True)
            sys.exit(error.exit_code)
        except OSError as error:
            os.dup2(os.open(os.devnull, os.O_WRONLY), 1)  # what is left in the buffer has nowhere to go
            if not isinstance(error, BrokenPipeError):  # then whoever read our output has seen enough
                click.echo(f"threadserver: {reason(error)}", err=True)
            sys.exit(1)

    def invoke(self, ctx: click.Context) -> Any:  # noqa: ANN401
        """Let Ctrl-C end a command as it ends others: without a word, exit code 130."""
        try:
            return super().invoke(ctx)
        except KeyboardInterrupt:
            click.echo(err=True)
            ctx.exit(128 + signal.SIGINT)


def _open_closed_streams() -> None:
    """Put /dev/null where a standard stream was closed: else the first sockets would take its number."""
    for name, mode in (("stdin", "r"), ("stdout", "w"), ("stderr", "w")):
        if getattr(sys, name) is None:
            setattr(sys, name, open(os.devnull, mode))  # noqa: SIM115


@click.group(cls=Commands, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.version_option(package_name="threadserver", prog_name="threadserver")
def main() -> None:
    """Concurrent servers to watch, to write and to compare.

    \b
    Begin with:  threadserver demo
    """
    logging.basicConfig(format="%(name)s: %(message)s")

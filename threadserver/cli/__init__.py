"""The ``threadserver`` command: one module for each command, and no logic in any of them."""

import logging
import os
import signal
import sys
from collections.abc import Sequence
from importlib import import_module
from io import TextIOWrapper
from typing import Any

import click

from threadserver.core.errors import KitError, reason
from threadserver.core.printable import printable

COMMANDS = ("demo", "serve", "connect", "load", "inspect", "classify", "compare", "lab", "grade", "doctor", "diagram")
"""The commands in the order in which a reader meets them."""
LINKED = ("threadserver.clients", "threadserver.labs")
LOST_LINKS = (
    "this copy has lost the links threadserver/clients and threadserver/labs (some zip programs drop links); "
    "run `make links` in the checkout, then install again"
)


class Commands(click.Group):
    """A group of commands whose errors are one line, and whose exit codes are 0, 1 and 2."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002
        """Return the commands in the order in which a reader meets them."""
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002
        """Return a command from the module of its name. Only that module is imported, so a server starts at once.

        Raises KitError when the checkout has lost the links to the folders that the command needs.
        """
        if cmd_name not in COMMANDS:
            return None
        try:
            return getattr(import_module(f"threadserver.cli.{cmd_name}"), cmd_name)  # type: ignore[no-any-return]
        except ModuleNotFoundError as error:
            if (error.name or "").startswith(LINKED):
                raise KitError(LOST_LINKS) from error
            raise

    def main(self, args: Sequence[str] | None = None, *rest: Any, **options: Any) -> Any:  # noqa: ANN401
        """Run a command. Turn its errors into one line and an exit code."""
        _open_closed_streams()
        _print_whatever_there_is()
        try:
            try:
                return super().main(args, *rest, **options)
            finally:
                sys.stdout.flush()
        except KitError as error:
            click.echo(printable(f"threadserver: {error}", keep="\n"), err=True)
            sys.exit(error.exit_code)
        except OSError as error:
            os.dup2(os.open(os.devnull, os.O_WRONLY), 1)  # the buffer cannot be written: discard it
            if not isinstance(error, BrokenPipeError):  # a reader such as head has seen enough
                click.echo(printable(f"threadserver: {_explained(error)}"), err=True)
            sys.exit(1)

    def invoke(self, ctx: click.Context) -> Any:  # noqa: ANN401
        """Run a command. Ctrl-C ends it in silence, with exit code 130."""
        try:
            return super().invoke(ctx)
        except KeyboardInterrupt:
            click.echo(err=True)
            ctx.exit(128 + signal.SIGINT)


def _explained(error: OSError) -> str:
    """Return what an error is about, if it says so, and what went wrong."""
    if error.errno is not None and error.strerror not in {None, os.strerror(error.errno)}:
        return str(error.strerror)  # Python's own words: "No usable temporary directory found in ['/tmp', …"
    return f"{os.fsdecode(error.filename)}: {reason(error)}" if error.filename else reason(error)


def _open_closed_streams() -> None:
    """Open /dev/null where a standard stream is closed: otherwise the first sockets would take its number."""
    for name, mode in (("stdin", "r"), ("stdout", "w"), ("stderr", "w")):
        if getattr(sys, name) is None:
            setattr(sys, name, open(os.devnull, mode))  # noqa: SIM115


def _print_whatever_there_is() -> None:
    """Show characters that an output's encoding lacks as escapes, so that a verdict can be printed in any encoding."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")


@click.group(cls=Commands, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.version_option(package_name="threadserver", prog_name="threadserver")
def main() -> None:
    """Watch, build, measure and question concurrent servers.

    \b
    Begin with:  threadserver demo
    One command: threadserver serve --help
    """
    logging.basicConfig(format="%(name)s: %(message)s")

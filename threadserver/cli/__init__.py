"""The ``threadserver`` command: one module a command, no logic in any of them."""

import logging
import sys
from collections.abc import Sequence
from importlib.metadata import version
from typing import Any

import click

from threadserver.cli.connect import connect
from threadserver.cli.demo import demo
from threadserver.cli.diagram import diagram
from threadserver.cli.serve import serve
from threadserver.errors import KitError


class Commands(click.Group):
    """A group of commands whose errors are one line, and whose exit codes are 0, 1 and 2."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002
        """List the commands in the order in which one meets them."""
        return list(self.commands)

    def main(self, args: Sequence[str] | None = None, *rest: Any, **options: Any) -> Any:  # noqa: ANN401
        """Run a command, and turn its errors into one line and an exit code."""
        try:
            return super().main(args, *rest, **options)
        except KitError as error:
            click.echo(f"threadserver: {error}", err=True)
            sys.exit(error.exit_code)
        except BrokenPipeError:  # whoever read our output has seen enough
            sys.stderr.close()
            sys.exit(1)


@click.group(cls=Commands, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.version_option(version("threadserver"), prog_name="threadserver")
def main() -> None:
    """Concurrent servers to watch, to write and to compare.

    \b
    Begin with:  threadserver demo
    """
    logging.basicConfig(format="%(name)s: %(message)s")


for command in (demo, serve, connect, diagram):
    main.add_command(command)

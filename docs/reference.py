"""Write docs/commands.md, the reference of all commands, from their help texts: ``make docs`` does it."""

import re
import sys
from collections.abc import Iterator
from inspect import cleandoc
from pathlib import Path

import click

from threadserver.cli import main

HEAD = """# Commands

Made from the help texts by `make docs`. `threadserver COMMAND --help` says the same; `python -m threadserver` does too.
Exit codes: 0 done; 1 it failed; 2 bad usage; 130 ended by Ctrl-C.
"""


def reference() -> str:
    """Return the reference as Markdown."""
    return "\n".join([HEAD, *_group(main, "threadserver")])


def _group(group: click.Group, name: str) -> Iterator[str]:
    context = click.Context(group, info_name=name)
    for word in group.list_commands(context):
        command = group.get_command(context, word)
        if isinstance(command, click.Group):
            yield from _group(command, f"{name} {word}")
        elif command is not None:
            yield from _command(command, f"{name} {word}")


def _command(command: click.Command, name: str) -> Iterator[str]:
    """Write a section: the usage, what the command does, examples, and a table of options."""
    arguments = [one for one in command.params if isinstance(one, click.Argument)]
    usage = [one.metavar or (one.name or "").upper() if one.required else _optional(one) for one in arguments]
    yield f"## {name}\n\n```\n{' '.join([name, '[OPTIONS]', *usage])}\n```\n"
    for paragraph in re.split(r"\n\s*\n", cleandoc(command.help or "")):
        if paragraph.startswith("\b"):
            yield f"```\n{paragraph.removeprefix(chr(8)).strip()}\n```\n"
        else:
            yield f"{' '.join(paragraph.split())}\n"
    rows = [_row(one) for one in command.params if isinstance(one, click.Option) and not one.hidden]
    if rows:
        yield "\n".join(["| option | meaning |", "|---|---|", *rows]) + "\n"


def _optional(argument: click.Argument) -> str:
    shown = argument.metavar or (argument.name or "").upper()
    return shown if shown.startswith("[") else f"[{shown}]"


def _row(option: click.Option) -> str:
    names = ", ".join(sorted(option.opts, key=len, reverse=True))
    meaning = [" ".join((option.help or "").split())]
    if option.show_default and option.default is not None and not option.is_flag:
        meaning.append(f"[default: {option.default}]")
    return _cells(f"`{names}{_value(option)}`", " ".join(meaning))


def _value(option: click.Option) -> str:
    """Name the value that an option takes, after a blank; nothing for a flag."""
    if option.is_flag:
        return ""
    if isinstance(option.type, click.Choice):
        return f" {'|'.join(map(str, option.type.choices))}"
    return f" {option.metavar or option.type.name.split()[0].upper()}"


def _cells(*texts: str) -> str:
    return f"| {' | '.join(text.replace('|', chr(92) + '|') for text in texts)} |"


if __name__ == "__main__":
    Path(sys.argv[1]).write_text(reference(), "utf-8")

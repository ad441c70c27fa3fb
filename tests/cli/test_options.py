"""Options mean one thing in every command, older spellings still work, and a shell can complete them."""

import errno
import json
import os
import re
import subprocess
import sys
from pathlib import Path

import click
import pytest

from tests.conftest import require
from threadserver import serving
from threadserver.cli import _explained, main
from threadserver.core.models import thread

ROOT = Path(__file__).parents[2]
FORMER = {
    "demo": {"--out": "--output"},
    "connect": {"--clients": "--connections"},
    "load": {"--slow-clients": "--slow-connections"},
    "inspect": {"--html": "--output"},
    "classify": {"--time-limit": "--timeout", "--start-limit": "--start-timeout"},
    "compare": {"--out": "--output"},
    "diagram": {"--connection": "--only", "-c": "--only"},
    "lab check": {"--html": "--output"},
    "lab release": {"--out": "--output"},
    "lab export": {"--out": "--output"},
    "grade class": {"--out": "--output"},
    "grade replay": {"--out": "--output"},
}


def commands(group=main, name=""):
    """Return every command, without groups, by its name as it is typed."""
    context = click.Context(group)
    for word in group.list_commands(context):
        command = group.get_command(context, word)
        if isinstance(command, click.Group):
            yield from commands(command, f"{name}{word} ")
        else:
            yield f"{name}{word}", command


def options(command):
    return [one for one in command.params if isinstance(one, click.Option)]


def test_a_short_form_stands_for_one_option_in_all_commands():
    meaning = {}
    for name, command in commands():
        for one in options(command):
            long = [word for word in one.opts if word.startswith("--")]
            for short in set(one.opts) - set(long):
                assert meaning.setdefault(short, long) == long, f"{name} {short}"
    assert meaning["-c"] == ["--connections"]
    assert meaning["-o"] == ["--output"]
    assert meaning["-t"] == ["--timeout"]


def test_an_option_has_its_short_form_in_all_commands():
    short = {}
    for name, command in commands():
        for one in options(command):
            long, *_ = (word for word in one.opts if word.startswith("--"))
            assert short.setdefault(long, set(one.opts)) == set(one.opts), f"{name} {long}"


def test_contributing_lists_the_short_forms():
    table = (ROOT / "CONTRIBUTING.md").read_text()
    for name, command in commands():
        for one in options(command):
            if len(one.opts) > 1:
                assert f"| `{'`, `'.join(sorted(one.opts))}` |" in table, f"{name} {one.opts}"


def test_former_names_work_but_are_not_shown():
    found = dict(commands())
    for name, names in FORMER.items():
        shown = found[name].get_help(click.Context(found[name], info_name=name))
        for former, now in names.items():
            assert not re.search(rf"{former}\b(?!-)", shown.replace(now, "")), f"{name} {former}"
            (one,) = [option for option in options(found[name]) if now in option.opts]
            assert former in one.formerly


def test_a_former_name_does_the_same_as_the_current_one(threadserver):
    with serving(thread.serve) as server:
        for name in ("--clients", "--connections", "-c"):
            result = threadserver("connect", server.address, name, 3, "--lines", 1, "--json")
            assert json.loads(result.stdout)["workers"] == 3


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        ("threadserver cl", {"classify"}),
        ("threadserver lab ch", {"check"}),
        ("threadserver connect --con", {"--connections"}),
        ("threadserver connect --cl", set()),  # a former name is understood, and not offered
        ("threadserver serve --model it", {"iterative"}),
    ],
)
def test_a_shell_completes_commands_options_and_models(words, expected):
    environment = {**os.environ, "_THREADSERVER_COMPLETE": "bash_complete", "COMP_WORDS": words}
    environment["COMP_CWORD"] = str(len(words.split()) - 1)
    command = [sys.executable, "-c", "from threadserver.cli import main; main(prog_name='threadserver')"]
    result = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=60)
    assert {line.partition(",")[2] for line in result.stdout.splitlines() if line} == expected


def test_bash_accepts_the_completion_script():
    require("bash")
    script = f"""
        threadserver() {{ {sys.executable} -c 'from threadserver.cli import main; main(prog_name="threadserver")'; }}
        eval "$(_THREADSERVER_COMPLETE=bash_source threadserver)"
        complete -p threadserver
    """
    result = subprocess.run(["bash", "-c", script], capture_output=True, text=True, timeout=60)
    assert result.stdout.rstrip().endswith("threadserver"), result.stderr


def test_the_version_is_printed(threadserver):
    result = threadserver("--version")
    assert re.fullmatch(r"threadserver, version \d+\.\d+\.\d+\S*\n", result.stdout), result.stderr


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (OSError(errno.ENOSPC, os.strerror(errno.ENOSPC)), "no space left on device"),
        (FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), "/a/file"), "/a/file: no such file or directory"),
        (FileNotFoundError(errno.ENOENT, "No usable temporary directory found in ['/tmp']"),
         "No usable temporary directory found in ['/tmp']"),
        (OSError("odd"), "odd"),
    ],
)  # fmt: skip
def test_an_unexpected_error_says_what_it_is_about(error, said):
    assert _explained(error) == said

"""What a user gets: the README's commands, and a wheel that works without the checkout."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.conftest import require
from threadserver.clients import Client

ROOT = Path(__file__).parent.parent


def run(*command, **options):
    return subprocess.run(list(map(str, command)), capture_output=True, text=True, timeout=280, **options)


@pytest.fixture(scope="module")
def installed(tmp_path_factory):
    """The wheel, built from a copy of the checkout and installed where nothing else of it is."""
    folder = tmp_path_factory.mktemp("wheel")
    files = subprocess.run(["git", "ls-files"], cwd=ROOT, capture_output=True, text=True).stdout.splitlines()
    for name in files or pytest.fail("not a git checkout"):
        target = folder / "checkout" / name
        target.parent.mkdir(parents=True, exist_ok=True)
        if (ROOT / name).exists():
            shutil.copy(ROOT / name, target, follow_symlinks=False)
    pip = [sys.executable, "-m", "pip", "--disable-pip-version-check", "--quiet"]
    built = run(*pip, "wheel", "--no-deps", "--wheel-dir", folder, folder / "checkout")
    assert built.returncode == 0, built.stderr
    placed = run(*pip, "install", "--no-deps", "--target", folder / "site", *folder.glob("*.whl"))
    assert placed.returncode == 0, placed.stderr
    return folder / "site"


def test_the_wheel_holds_commands_clients_and_labs(installed):
    for name in (
        "threadserver/core/models/thread.py",
        "threadserver/diagrams/diagram_page.html.j2",
        "threadserver/py.typed",
        "threadserver/clients/client.py",
        "threadserver/labs/PROTOCOL.md",
        "threadserver/labs/fork/solution/server.py",
        "threadserver/judge/templates/new_lab/thread/rubric.py",
    ):
        assert (installed / name).is_file(), name
    assert {path.name for path in installed.iterdir() if "-" not in path.name} == {"bin", "threadserver"}


def test_the_installed_command_serves(installed, tmp_path):
    environment = {**os.environ, "PYTHONPATH": str(installed)}
    check = "import threadserver.clients; print(threadserver.__file__, threadserver.clients.__file__)"
    places = run(sys.executable, "-c", check, cwd=tmp_path, env=environment).stdout.split()
    assert len(places) == 2
    assert all(place.startswith(str(installed)) for place in places)
    command = [sys.executable, installed / "bin" / "threadserver"]
    demo = run(*command, "demo", cwd=tmp_path, env=environment)
    assert (demo.returncode, demo.stderr) == (0, "")
    assert "3 clients, 3 threads of one process" in demo.stdout
    forked = run(*command, "demo", "--model", "fork", cwd=tmp_path, env=environment)
    assert (forked.returncode, forked.stderr) == (0, "")


def test_every_command_has_help_with_an_example(threadserver):
    commands = re.findall(r"^  (\w+)  ", threadserver("--help").stdout, re.MULTILINE)
    assert {"demo", "serve", "connect", "diagram"} <= set(commands)
    for command in commands:
        assert f"  threadserver {command}" in threadserver(command, "--help").stdout


def test_make_says_what_is_missing(tmp_path):
    require("make")
    (tmp_path / "python").write_text('#!/bin/sh\ncase "$2" in *version_info*) exit 0;; esac\nexit 1\n')
    (tmp_path / "old").write_text("#!/bin/sh\nexit 1\n")
    for program in ("python", "old"):
        (tmp_path / program).chmod(0o755)
    without = run("make", "-C", ROOT, "demo", f"PYTHON={tmp_path}/python", f"VENV={tmp_path}/venv")
    assert "apt install python3-venv" in without.stdout
    assert without.returncode != 0
    old = run("make", "-C", ROOT, "demo", f"PYTHON={tmp_path}/old", f"VENV={tmp_path}/venv")
    assert "needs Python 3.11" in old.stdout
    assert not (tmp_path / "venv").exists()


def test_the_readmes_example_runs(tmp_path):
    example = re.search(r"```python\n(from threadserver.*?)```", (ROOT / "README.md").read_text(), re.DOTALL)[1]
    result = run(sys.executable, "-c", example)
    assert re.fullmatch(r"\d+/\d+ b'HELLO'\n", result.stdout), result.stderr


def test_the_readmes_model_runs(serve, tmp_path):
    model = re.search(r"```python\n( +from threading.*?)```", (ROOT / "README.md").read_text(), re.DOTALL)[1]
    (tmp_path / "mine.py").write_text("\n".join(line.removeprefix("   ") for line in model.splitlines()) + "\n")
    server = serve("tcp://127.0.0.1:0", "--model", f"{tmp_path}/mine.py")
    with Client(server.address) as first, Client(server.address) as second:
        assert second.ask(b"hello") == first.ask(b"hello") == b"hello"


def test_the_readmes_commands_are_there(threadserver):
    text = (ROOT / "README.md").read_text()
    for command, option in re.findall(r"threadserver ((?:lab )?\w+)[^`\n]*?(--[\w-]+)", text):
        assert option in threadserver(*command.split(), "--help").stdout, f"{command} {option}"
    for link in re.findall(r"\]\(([\w/.]+)\)", text):
        assert (ROOT / link).is_file(), link

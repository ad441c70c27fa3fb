"""A lab of two checks, and submissions for it: judging one costs half a second."""

import shutil
import zipfile
from pathlib import Path

import pytest

from tests.judge.conftest import SERVER
from threadserver.core.labs import find

RUBRIC = """
from threadserver.judge import points
from threadserver.judge.checks.conversation import test_listens


@points(9, "a line comes back", after="listens", hint="Send what you received.")
def test_line(server):
    server.greet().ask(b"hello")
"""
WRONG = SERVER.replace("connection.sendall(line)", "connection.sendall(line.upper())")
assert WRONG != SERVER


@pytest.fixture(scope="session")
def lab(tmp_path_factory):
    folder = tmp_path_factory.mktemp("labs") / "small"
    (folder / "starter").mkdir(parents=True)
    (folder / "lab.toml").write_text('title = "a small lab"\npoints = 10\n')
    (folder / "README.md").write_text("# A small lab\n")
    (folder / "rubric.py").write_text(RUBRIC)
    (folder / "starter" / "server.py").write_text("import sys\n")
    return find(f"{folder}/")


@pytest.fixture
def plain(tmp_path):
    """Make a class of folders: each student's server.py."""

    def make(**servers):
        shutil.rmtree(tmp_path / "class", ignore_errors=True)
        for student, text in servers.items():
            (tmp_path / "class" / student).mkdir(parents=True)
            (tmp_path / "class" / student / "server.py").write_text(text)
        return tmp_path / "class"

    return make


def zipped(file, members):
    """Write a zip file; each member's content by its name."""
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in members.items():
            archive.writestr(name, data)
    return Path(file)

"""What a user gets: a wheel that works anywhere, a checkout that repairs itself, and documents that are true."""

import os
import re
import shutil
import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path

import click
import pytest

from tests.cli.test_options import commands
from tests.conftest import require
from threadserver import serving
from threadserver.clients import Client
from threadserver.clients.client import ConnectError
from threadserver.core.loading import load_module

ROOT = Path(__file__).parent.parent
DOCUMENTS = [*sorted(ROOT.glob("*.md")), *sorted((ROOT / "docs").glob("*.md")), *sorted((ROOT / "labs").glob("*.md"))]
PIP = [sys.executable, "-m", "pip", "--disable-pip-version-check", "--quiet"]


def run(*command, **options):
    return subprocess.run(list(map(str, command)), capture_output=True, text=True, timeout=280, **options)


def copy_checkout(target):
    """Copy the checkout's files that Git tracks, links as links."""
    files = run("git", "ls-files", cwd=ROOT).stdout.splitlines()
    for name in files or pytest.fail("not a git checkout"):
        (target / name).parent.mkdir(parents=True, exist_ok=True)
        if (ROOT / name).exists():
            shutil.copy(ROOT / name, target / name, follow_symlinks=False)
    return target


def build_wheel(source, folder):
    built = run(*PIP, "wheel", "--no-build-isolation", "--no-deps", "--wheel-dir", folder, source)
    assert built.returncode == 0, built.stderr
    (wheel,) = folder.glob("*.whl")
    return wheel


@pytest.fixture(scope="module")
def wheel(tmp_path_factory):
    folder = tmp_path_factory.mktemp("wheel")
    return build_wheel(copy_checkout(folder / "checkout"), folder)


@pytest.fixture(scope="module")
def installed(wheel):
    """The wheel, installed without the rest of the checkout."""
    site = wheel.parent / "site"
    placed = run(*PIP, "install", "--no-deps", "--target", site, wheel)
    assert placed.returncode == 0, placed.stderr
    return site


@pytest.fixture
def students_folder(tmp_path):
    """A folder whose own packages have the names of the kit's folders, but must not be imported."""
    for name in ("labs", "clients", "tests"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "__init__.py").write_text(f"raise SystemExit('the {name} of the student were imported')\n")
    return tmp_path


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


def test_the_wheel_names_its_authors_and_its_licence(wheel):
    with zipfile.ZipFile(wheel) as archive:
        (metadata,) = (name for name in archive.namelist() if name.endswith(".dist-info/METADATA"))
        text = archive.read(metadata).decode()
        assert any(name.endswith(".dist-info/licenses/LICENSE") for name in archive.namelist())
    assert "\nAuthor: the threadserver authors\n" in text
    assert "\nLicense-Expression: MIT\n" in text
    version = re.search(r"^Version: (.*)", text, re.MULTILINE)[1]
    assert f"[{version}]" in (ROOT / "CHANGELOG.md").read_text()


def test_a_source_distribution_builds_the_same_wheel(wheel, tmp_path):
    build = f"from setuptools.build_meta import build_sdist; build_sdist({str(tmp_path)!r})"
    built = run(sys.executable, "-c", build, cwd=copy_checkout(tmp_path / "checkout"))
    assert built.returncode == 0, built.stderr
    (source,) = tmp_path.glob("*.tar.gz")
    with tarfile.open(source) as archive:
        members = archive.getmembers()
    names = {member.name.partition("/")[2] for member in members}
    assert {"LICENSE", "CHANGELOG.md", "docs/setup.md", "threadserver/labs/PROTOCOL.md"} <= names
    assert not any(member.issym() or member.islnk() for member in members)
    again = build_wheel(source, tmp_path)
    with zipfile.ZipFile(wheel) as first, zipfile.ZipFile(again) as second:
        assert set(first.namelist()) == set(second.namelist())


def test_the_installed_command_serves(installed, tmp_path):
    environment = {**os.environ, "PYTHONPATH": str(installed)}
    check = "import threadserver.clients; print(threadserver.__file__, threadserver.clients.__file__)"
    places = run(sys.executable, "-c", check, cwd=tmp_path, env=environment).stdout.split()
    assert len(places) == 2
    assert all(place.startswith(str(installed)) for place in places)
    command = [sys.executable, installed / "bin" / "threadserver"]
    demo = run(*command, "demo", cwd=tmp_path, env=environment)
    assert (demo.returncode, demo.stderr) == (0, "")
    assert "3 threads of one process served 3 clients" in demo.stdout
    forked = run(*command, "demo", "--model", "fork", cwd=tmp_path, env=environment)
    assert (forked.returncode, forked.stderr) == (0, "")


@pytest.mark.parametrize("place", ["a wheel", "a checkout"])
@pytest.mark.parametrize("as_module", [True, False], ids=["python -m", "the command"])
def test_a_students_own_folders_are_not_taken_for_the_kits(request, students_folder, place, as_module):
    environment, command = dict(os.environ), Path(sys.executable).parent / "threadserver"
    if place == "a wheel":
        site = request.getfixturevalue("installed")
        environment["PYTHONPATH"], command = str(site), site / "bin" / "threadserver"
    start = [sys.executable, "-m", "threadserver"] if as_module else [sys.executable, command]
    for words, said in (
        (["--help"], "compare"),  # which imports every command
        (["lab", "list"], "lifecycle"),
        (["lab", "start", "lifecycle"], "made lifecycle/server.py"),
        (["demo", "--model", "select"], "One thread served all 3 clients."),
    ):
        result = run(*start, *words, cwd=students_folder, env=environment)
        assert (result.returncode, result.stderr) == (0, ""), words
        assert said in result.stdout


def test_a_checkout_that_lost_its_links_says_so_and_make_restores_them(tmp_path):
    require("make")
    checkout = copy_checkout(tmp_path)
    links = [path for path in (checkout / "threadserver").iterdir() if path.is_symlink()]
    assert {path.name for path in links} == {"clients", "labs"}
    for path, lost in zip(links, ("as text", "altogether"), strict=True):
        target = path.readlink()
        path.unlink()
        if lost == "as text":
            path.write_text(str(target))
    apart = "import sys, runpy; sys.meta_path[:] = [one for one in sys.meta_path if 'editable' not in str(one)]"
    command = [sys.executable, "-c", f"{apart}; runpy.run_module('threadserver', run_name='__main__')"]
    result = run(*command, "connect", "--help", cwd=checkout)
    assert (result.returncode, result.stdout) == (1, "")
    assert "`make links`" in result.stderr
    assert result.stderr.count("\n") == 1
    assert run("make", "links", cwd=checkout).returncode == 0
    assert run(*command, "connect", "--help", cwd=checkout).returncode == 0
    assert "lifecycle" in run(*command, "lab", "list", cwd=checkout).stdout


def test_every_command_has_help_with_an_example(threadserver):
    for name, command in commands():
        assert f"  threadserver {name}" in command.get_help(click.Context(command, info_name=name)), name
    assert {"demo", "serve", "connect", "diagram"} <= set(dict(commands()))
    assert "  threadserver demo" in threadserver("demo", "--help").stdout


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


def test_pre_commit_runs_what_make_lint_runs():
    recipe = re.search(r"^lint:.*\n((?:\t.*\n)+)", (ROOT / "Makefile").read_text(), re.MULTILINE)[1]
    hooks = re.findall(r"entry: \.venv/bin/(.*)", (ROOT / ".pre-commit-config.yaml").read_text())
    assert hooks == [line.strip().removeprefix("$(BIN)/") for line in recipe.splitlines()]


def test_the_readmes_example_runs(tmp_path):
    example = re.search(r"```python\n(from threadserver.*?)```", (ROOT / "README.md").read_text(), re.DOTALL)[1]
    result = run(sys.executable, "-c", example)
    assert re.fullmatch(r"\d+/\d+ b'HELLO'\n", result.stdout), result.stderr


def test_the_readmes_model_runs(serve, tmp_path):
    model = re.search(r"```python\n(from threading.*?)```", (ROOT / "README.md").read_text(), re.DOTALL)[1]
    (tmp_path / "mine.py").write_text(model)
    server = serve("tcp://127.0.0.1:0", "--model", f"{tmp_path}/mine.py")
    with Client(server.address) as first, Client(server.address) as second:
        assert second.ask(b"hello") == first.ask(b"hello") == b"hello"


def test_the_model_in_the_instructors_page_frees_a_place_when_no_thread_can_be_started(tmp_path, monkeypatch):
    page = (ROOT / "labs" / "INSTRUCTORS.md").read_text()
    (tmp_path / "mine.py").write_text(re.search(r'```python\n("""Thread per connection, .*?)```', page, re.DOTALL)[1])
    model = load_module(str(tmp_path / "mine.py"))
    starts = iter([False, True, True])

    class ScarceThread(model.Thread):
        def start(self):
            if not next(starts):
                raise RuntimeError("can't start new thread")
            super().start()

    monkeypatch.setattr(model, "Thread", ScarceThread)
    monkeypatch.setattr(model, "MOST", 1)
    with serving(model.serve) as server:
        with pytest.raises(ConnectError, match="server is full"):
            Client(server.address)
        for line in (b"first", b"second"):  # the only place is free, again and again
            with Client(server.address) as client:
                assert client.ask(line) == line


def test_make_test_runs_what_is_asked_for_and_make_coverage_everything():
    require("make")
    some = run("make", "--dry-run", "-C", ROOT, "test", "TESTS=tests/cli").stdout
    assert '-m "not long" tests/cli\n' in some
    every = run("make", "--dry-run", "-C", ROOT, "coverage").stdout
    assert "not long" not in every
    assert "coverage report\n" in every


def code(text):
    """Yield every line of a fenced block, and every span of code between backquotes."""
    fenced = re.compile(r"^ *```\w*\n(.*?)^ *```", re.MULTILINE | re.DOTALL)
    for block in fenced.findall(text):
        yield from block.splitlines()
    yield from (" ".join(span.split()) for span in re.findall(r"`([^`]+)`", fenced.sub("", text)))


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: str(path.relative_to(ROOT)))
def test_commands_and_options_in_a_document_exist(document):
    known = dict(commands())
    for line in code(document.read_text()):
        for words in re.findall(r"(?:^|[/|$])\s*threadserver ([a-z][^|#]*)", line):
            own = words.partition(" -- ")[0]
            name = re.match(r"(?:lab |grade (?=class|replay))?[a-z]+", own)[0].replace("grade", "grade class", 1)
            name = name.replace("grade class ", "grade ")  # "class" may be left out
            assert name in known, f"threadserver {words}"
            options = {option for one in known[name].params for option in one.opts} | {"--help"}
            assert set(re.findall(r"(?<=\s)--?[a-z][\w-]*", own)) <= options, f"threadserver {words}"


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: str(path.relative_to(ROOT)))
def test_links_and_make_targets_in_a_document_exist(document):
    text = document.read_text()
    for link, anchor in re.findall(r"\]\((?!https?:)([^)#]*)#?([^)]*)\)", text):
        target = (document.parent / link) if link else document
        assert target.exists(), link
        if anchor:
            headings = re.findall(r"^#+ (.*)", target.read_text(), re.MULTILINE)
            assert anchor in {re.sub(r"[^\w -]", "", one.lower()).replace(" ", "-") for one in headings}, anchor
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    assert set(re.findall(r"(?:`|^)make ([a-z][a-z-]*)", text, re.MULTILINE)) <= targets


def test_the_command_reference_agrees_with_the_help_texts(tmp_path):
    written = run(sys.executable, ROOT / "docs" / "reference.py", tmp_path / "commands.md")
    assert written.returncode == 0, written.stderr
    assert (tmp_path / "commands.md").read_text() == (ROOT / "docs" / "commands.md").read_text(), "run `make docs`"

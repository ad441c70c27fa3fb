"""The student edition: it works, and no solution is in it."""

import subprocess
import sys
import zipfile

import pytest

from threadserver.core.errors import KitError
from threadserver.core.labs import LABS, PACKAGE, find, labs
from threadserver.releasing import edition
from threadserver.releasing.leak_check import leaks


@pytest.fixture(scope="module")
def students(tmp_path_factory):
    folder = tmp_path_factory.mktemp("edition") / "student"
    edition.release(folder, labs())
    return folder


def test_no_solutions_text_is_in_it(students):
    assert leaks(students, LABS) == []
    names = {path.name for path in students.rglob("*")}
    assert not names & {"solution", "solution-c", "mistakes", "alternatives", "__pycache__", ".git", "INSTRUCTORS.md"}
    assert not [path for path in students.rglob("*") if path.is_symlink() or path.suffix == ".pyc"]
    for lab in labs():
        assert (
            students
            / "threadserver/labs"
            / lab.name
            / "starter"
            / ("client.py" if lab.role == "client" else "server.py")
        ).is_file()
        assert (students / "threadserver/labs" / lab.name / "README.md").is_file()


@pytest.mark.parametrize("kind", ["solution", "mistakes", "alternatives", "solution-c"])
def test_a_solution_is_found_wherever_it_hides(kind, tmp_path):
    """Whole or in part, indented otherwise, with other comments, under any name."""
    for lab in labs():
        for source in sorted((lab.folder / kind).rglob("*")):
            lines = (
                source.read_text(errors="replace").splitlines()
                if source.is_file() and source.suffix in {".py", ".c"}
                else []
            )
            if len(lines) > 60:
                hidden = tmp_path / "pages" / "notes.html"
                hidden.parent.mkdir()
                hidden.write_text("\n".join(f"\t{line}\n# a remark\n" for line in lines[20:]))
                assert leaks(tmp_path, LABS), source
                return
    pytest.fail(f"no {kind} is long enough")


def test_it_works_as_the_students_own_tests_say(students):
    """The tests that it comes with pass, and with nothing else of the checkout in reach."""
    apart = "import sys; sys.meta_path[:] = [one for one in sys.meta_path if 'editable' not in str(one)]"
    show = f"{apart}; import threadserver, pytest; print(threadserver.__file__); sys.exit(pytest.main(sys.argv[1:]))"
    words = ["-q", "-p", "no:cacheprovider", "-k", "demo or listed"]
    result = subprocess.run(
        [sys.executable, "-c", show, *words], cwd=students, capture_output=True, text=True, timeout=300,
        env={"PATH": "/usr/bin:/bin", "HOME": str(students.parent), "PYTHONPATH": str(students)},
    )  # fmt: skip
    assert result.returncode == 0, result.stdout + result.stderr
    assert result.stdout.startswith(str(students))


def test_some_labs_without_checks_in_a_zip(tmp_path, threadserver):
    made = threadserver("lab", "release", "-o", tmp_path / "s.zip", "--labs", "thread,fork", "--rubrics", "none")
    assert (made.returncode, made.stderr) == (0, "")
    with zipfile.ZipFile(tmp_path / "s.zip") as archive:
        archive.extractall(tmp_path)
    kit = tmp_path / "threadserver-student" / "threadserver"
    assert sorted(path.name for path in (kit / "labs").iterdir() if path.is_dir()) == ["fork", "thread"]
    assert not list(kit.rglob("rubric.py"))
    assert [path.name for path in (kit / "judge" / "checks").iterdir()] == ["__init__.py"]
    assert "| check |" in find("fork").handout.read_text()
    assert "| check |" not in (kit / "labs" / "fork" / "README.md").read_text()
    assert "needs = []" in (kit / "labs" / "thread" / "lab.toml").read_text()
    environment = {"PATH": "/usr/bin:/bin", "HOME": str(tmp_path), "PYTHONPATH": str(kit.parent)}
    apart = "import sys; sys.meta_path[:] = [one for one in sys.meta_path if 'editable' not in str(one)]; import runpy"
    command = [sys.executable, "-c", f"{apart}; runpy.run_module('threadserver', run_name='__main__')"]
    for words, code, said in (
        (["lab", "check", "labs/thread/starter", "--lab", "thread"], 2, "hand it in to have it judged"),
        (["lab", "list"], 0, "fork"),
    ):
        result = subprocess.run(
            [*command, *words], cwd=kit, env=environment, capture_output=True, text=True, timeout=60
        )
        assert result.returncode == code, result.stderr
        assert said in result.stdout + result.stderr


def test_nothing_is_overwritten_and_nothing_is_written_when_a_solution_would_leak(tmp_path, monkeypatch):
    with pytest.raises(KitError, match="already exists"):
        edition.release(tmp_path, labs())
    handout = PACKAGE / "labs" / "fork" / "solution" / "server.py"
    monkeypatch.setattr(edition, "_files", lambda *_: [("README.md", handout)])
    with pytest.raises(KitError, match="a part of a solution; nothing was written: README"):
        edition.release(tmp_path / "student", labs())
    assert list(tmp_path.iterdir()) == []

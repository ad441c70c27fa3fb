"""The lab commands, as a student uses them."""

import compileall
import json
import os
import re
import shutil
import signal
import subprocess
import sys
from contextlib import suppress
from pathlib import Path

import psutil
import pytest

from tests.conftest import PATIENCE, eventually, require, unmeasured
from threadserver.core.errors import KitError
from threadserver.core.labs import LABS, labs, read
from threadserver.judge import new_lab, workspace
from threadserver.judge.lab_problems import problems

KEYS = {"name", "points", "max_points", "outcome", "sentence", "message", "hint", "evidence", "transcript"}
DISAGREEMENTS = (
    ("lab.toml", "points = 100", "points = 90", "lab.toml says 90 points, but the checks of rubric.py are worth 100"),
    ("lab.toml", "kit_model", "kitmodel", "lab.toml has an unknown key 'kitmodel'"),
    ("lab.toml", "thread-per-connection", "threads", "lab.toml: model = 'threads' is none of iterative"),
    ("lab.toml", "needs = []", 'needs = ["tread"]', "lab.toml: needs lists 'tread', but there is no such lab"),
    ("lab.toml", 'languages = ["python"', 'languages = ["python", "c"', "there is no folder starter-c/"),
    ("lab.toml", 'variants = ["', 'variants = ["gone", "', "there is no alternatives/gone/server.py"),
    ("lab.toml", "kit = true", "kit = false", "a model of the kit imports threadserver, so kit must be true"),
    ("rubric.py", "import points", "import pints", "rubric.py cannot be read: "),
)
"""A file of a new lab, its text, what stands there instead, and what the selftest must say then."""


@pytest.fixture
def student(threadserver, tmp_path):
    """Run the command in a student's own folder, with a state of its own."""
    (tmp_path / "home").mkdir()

    def run(*arguments, **options):
        env = {"XDG_STATE_HOME": str(tmp_path / "state"), **options.pop("env", {})}
        return threadserver(*arguments, cwd=tmp_path / "home", env=env, **options)

    return run


@pytest.fixture
def home(tmp_path):
    return tmp_path / "home"


def test_the_labs_are_listed_in_their_order(student):
    listed = json.loads(student("lab", "list", "--json").stdout)
    assert [one["name"] for one in listed][:6] == ["lifecycle", "client", "thread", "fork", "select", "pool"]
    assert all(one["last"] is None for one in listed)


def test_a_lab_says_what_comes_before_it_and_whether_that_is_done(student, home, tmp_path):
    listed = {one["name"]: one for one in json.loads(student("lab", "list", "--json").stdout)}
    assert listed["pool"]["needs"] == ["lifecycle", "thread"]
    assert not any(one["problems"] for one in listed.values())
    started = student("lab", "start", "pool")
    assert started.returncode == 0
    assert "builds on lifecycle (not checked yet), thread (not checked yet)" in started.stderr
    known = {
        "lifecycle": {"folder": "x", "score": 100, "max_score": 100},
        "thread": {"folder": "x", "score": 82, "max_score": 100},
    }
    (tmp_path / "state" / "threadserver").mkdir(parents=True)
    (tmp_path / "state" / "threadserver" / "labs.json").write_text(json.dumps(known))
    assert "builds on thread (82 of 100 points); you" in student("lab", "start", "pool", "again").stderr
    assert student("lab", "start", "lifecycle").stderr == ""


def test_a_folder_leads_to_a_lab_outside_the_kit_only_where_its_user_has_started_it(student, home):
    shutil.copytree(LABS / "lifecycle", home / "other", ignore=shutil.ignore_patterns("mistakes", "alternatives"))
    assert student("lab", "start", "./other", "mine").returncode == 0
    assert "no such check: nothing" in student("lab", "check", "mine", "--only", "nothing").stderr  # the lab was found
    handed_in = shutil.copytree(home / "mine", home / "handed in")
    refused = student("lab", "check", "handed in")
    assert refused.returncode == 2
    assert "names a lab outside the kit" in refused.stderr
    (handed_in / ".threadserver.toml").unlink()
    os.mkfifo(handed_in / ".threadserver.toml")
    assert "does not say which lab it is for" in student("lab", "check", "handed in").stderr


@pytest.mark.parametrize("lab", labs(), ids=lambda lab: lab.name)
def test_a_lab_is_started_once_and_never_over_existing_work(home, lab):
    for language in lab.languages:
        folder = home / f"my-{language}"
        assert folder / "README.md" in workspace.start(lab, folder, language)
        handout = (folder / "README.md").read_text()
        assert handout == lab.handout.read_text().replace("../PROTOCOL.md", "PROTOCOL.md")
        for link in re.findall(r"\]\((?!https?:)([^)#]+)", handout):
            assert (folder / link).exists(), link
        (folder / "README.md").write_text("my notes")
        with pytest.raises(KitError, match="nothing was changed"):
            workspace.start(lab, folder, language)
        assert (folder / "README.md").read_text() == "my notes"


def test_a_lab_is_started_in_c_and_not_again(student, home):
    started = student("lab", "start", "fork", "mine", "--language", "c")
    assert (started.returncode, started.stderr.count("\n")) == (0, 1)
    assert "made mine/server.c\n" in started.stdout
    again = student("lab", "start", "fork", "mine", "--language", "c")
    assert again.returncode == 1
    assert "nothing was changed" in again.stderr


def test_the_command_that_lab_start_suggests_works_in_a_folder_with_blanks(student, home):
    made = student("lab", "start", "lifecycle", "my first lab")
    suggested = made.stdout.splitlines()[-1].partition("then: ")[2]
    there = subprocess.run(["sh", "-ec", suggested.replace("threadserver lab check", "pwd")], cwd=home,
                           capture_output=True, text=True, check=False)  # fmt: skip
    assert there.stdout == f"{(home / 'my first lab').resolve()}\n", made.stdout


@pytest.fixture
def begun(student, home):
    """The lab `thread`, begun, with one bug left."""
    student("lab", "start", "thread")
    write(home / "thread", "mistakes/one-lock")
    return home / "thread"


def write(folder, submission):
    """Let a student write what the lab `thread` ships."""
    lab = {lab.name: lab for lab in labs()}["thread"]
    shutil.copyfile(lab.folder / submission / "server.py", folder / "server.py")


def test_a_verdict_as_json_and_the_progress_that_follows(student, begun):
    checked = student("lab", "check", "thread", "--json")
    verdict = json.loads(checked.stdout)
    assert checked.returncode == 1
    assert {"lab", "score", "max_score", "containment", "checks"} <= verdict.keys()
    assert all(one.keys() == KEYS for one in verdict["checks"])
    assert 0 < verdict["score"] < verdict["max_score"] == 100
    assert any(one["outcome"] == "failed" and one["hint"] for one in verdict["checks"])
    listed = {one["name"]: one for one in json.loads(student("lab", "list", "--json").stdout)}
    assert listed["thread"]["last"]["score"] == verdict["score"]
    assert listed["thread"]["last"]["folder"] == str(begun)


def test_a_correct_submission_is_exit_code_0_and_a_page(student, home):
    lab = {lab.name: lab for lab in labs()}["thread"]
    checked = student("lab", "check", lab.folder / "solution", "--lab", "thread", "--all", "--output", "verdict.html")
    assert checked.returncode == 0, checked.stdout
    assert "100 of 100 points" in checked.stdout
    assert "\x1b" not in checked.stdout
    page = (home / "verdict.html").read_text()
    assert "100</b> of 100 points" in page
    assert page.count("<details") == len(lab_checks(checked.stdout))


def lab_checks(output):
    return [line for line in output.splitlines() if line.strip().startswith("passed")]


def test_only_one_check_and_its_transcript(student, begun):
    checked = student("lab", "check", "thread", "--only", "many_at_once", "--verbose")
    assert checked.returncode == 1
    assert "many_at_once" in checked.stdout
    assert "restart" not in checked.stdout
    assert "client 1 " in checked.stdout


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("lab", "check"), ". does not say which lab it is for"),
        (("lab", "check", "--lab", "nothing"), "unknown lab 'nothing': there are lifecycle, client"),
        (("lab", "check", "--lab", "thread", "--only", "nothing"), "no such check: nothing; the checks are listens"),
        (("lab", "start", "nothing"), "reuseport; name a lab outside the kit by the path of its folder"),
        (("lab", "start", "pool", "--language", "c"), "offered in python"),
        (("lab", "start", "thread", "--language", "cobol"), "offered in python, c"),
        (("lab", "new", "mine", "--model", "nothing"), "no lab can be made for the model 'nothing': there are thread"),
        (("lab", "new", "mine", "--model", "pool", "--language", "c"), "there is no solution in c for the model pool"),
        (("lab", "new", "My Lab"), "'My Lab' cannot name a lab"),
    ],
)
def test_bad_usage_is_one_line_and_exit_code_2(student, arguments, said):
    ended = student(*arguments)
    assert ended.returncode == 2
    assert said in ended.stderr
    assert ended.stderr.count("\n") == 1


def test_an_empty_folder_is_an_error_that_says_what_a_submission_is(student, home):
    checked = student("lab", "check", "--lab", "thread")
    assert checked.returncode == 1
    assert "A submission is a folder with server.py" in checked.stdout
    assert "0 of 100 points" in checked.stdout


def test_lab_run_shows_a_server_at_work(student):
    lab = {lab.name: lab for lab in labs()}["thread"]
    ran = student("lab", "run", lab.folder / "solution", "--lab", "thread")
    assert ran.returncode == 0, ran.stdout
    assert "client 1 < HELLO server=tcp://" in ran.stdout
    assert "client 2 < hello" in ran.stdout


def test_lab_run_shows_where_a_server_stops(student, home):
    (home / "server.py").write_text("import nothing_of_that_name\n")
    ran = student("lab", "run", "--lab", "thread")
    assert ran.returncode == 1
    assert "No module named 'nothing_of_that_name'" in ran.stdout


@pytest.mark.long
def test_a_new_lab_passes_its_own_selftest_and_its_starter_fails(student, home):
    made = student("lab", "new", "semaphore")
    assert made.returncode == 0, made.stderr
    assert "threadserver lab selftest ./semaphore" in made.stdout
    tested = student("lab", "selftest", "./semaphore", "--json", timeout=280)  # three verdicts on a busy machine
    assert tested.returncode == 0, tested.stdout + tested.stderr
    matrix = json.loads(tested.stdout)
    assert {one["kind"] for one in matrix["submissions"]} == {"solution", "alternatives", "mistakes"}
    assert matrix["problems"] == {}
    started = student("lab", "start", "./semaphore", "mine")
    assert started.returncode == 0, started.stderr
    failed = student("lab", "check", "mine", "--only", "many_at_once")
    assert failed.returncode == 1, failed.stdout
    assert "FAILED" in failed.stdout


@pytest.mark.parametrize("model", ["thread", "fork", "pool", "epoll"])
def test_a_new_lab_can_begin_with_any_model_of_the_kit_and_is_consistent(home, model):
    files = new_lab.new(home / "mine", model)
    lab = read(home / "mine")
    assert problems([lab]) == {"mine": []}
    assert lab.model == read(LABS / model).model
    assert {file.name for file in files} >= {"README.md", "lab.toml", "rubric.py", "server.py", "mistake.toml"}
    assert list(lab.models) == ["mine", *(f"mine/{name}" for name in lab.variants)]
    assert lab.variants
    for file in files:
        assert f"lab `{model}`" not in file.read_text()


def test_a_new_labs_handout_lists_the_checks_as_the_judge_runs_them(home):
    new_lab.new(home / "mine")
    listed = re.findall(r"^\| `(\w+)` \| \d+ \|", (home / "mine" / "README.md").read_text(), re.MULTILINE)
    assert listed[0] == "listens"
    assert listed.index("echo") < listed.index("many_at_once") < listed.index("leaving")
    assert listed[-2:] == ["model", "late"]


def test_a_new_lab_takes_no_compiled_files_from_an_installed_kit(home, tmp_path, monkeypatch):
    shutil.copytree(new_lab.TEMPLATES, tmp_path / "templates")
    monkeypatch.setattr(new_lab, "TEMPLATES", tmp_path / "templates")
    assert compileall.compile_dir(tmp_path / "templates", quiet=1)  # as pip does
    files = new_lab.new(home / "mine")
    assert files
    assert not [file for file in files if file.suffix == ".pyc"]


def test_a_new_lab_in_c_has_a_starter_and_a_solution_in_c(home):
    new_lab.new(home / "mine", "fork", "c")
    assert (home / "mine" / "starter-c" / "Makefile").is_file()
    assert (home / "mine" / "solution-c" / "server.c").is_file()
    assert problems([read(home / "mine")]) == {"mine": []}


def test_a_new_lab_overwrites_nothing(student, home):
    (home / "mine").mkdir()
    (home / "mine" / "notes").write_text("keep me")
    refused = student("lab", "new", "mine")
    assert refused.returncode == 1
    assert refused.stderr == "threadserver: mine already exists; nothing was changed: choose another name\n"
    assert [file.name for file in (home / "mine").iterdir()] == ["notes"]


def test_selftest_fails_when_a_lab_contradicts_itself(student, home):
    spoiled = {}
    for number, (name, old, new, problem) in enumerate(DISAGREEMENTS):
        new_lab.new(home / f"mine{number}")
        file = home / f"mine{number}" / name
        assert old in file.read_text()
        file.write_text(file.read_text().replace(old, new))
        spoiled[f"mine{number}"] = problem
    tested = student("lab", "selftest", *(f"./{name}" for name in spoiled), "--only", "none of them", "--json")
    assert tested.returncode == 1, tested.stdout
    found = json.loads(tested.stdout)["problems"]
    assert found.keys() == spoiled.keys()
    for name, problem in spoiled.items():
        assert problem in " ".join(found[name])


def test_a_mistake_without_its_expectation_is_one_line(student, home):
    new_lab.new(home / "mine")
    (home / "mine" / "mistakes" / "joins-at-once" / "mistake.toml").write_text('says = "join()"\n')
    tested = student("lab", "selftest", "./mine", "--kind", "mistakes")
    assert tested.returncode == 2
    assert "mistake.toml: 'fails' is missing" in tested.stderr
    assert tested.stderr.count("\n") == 1


def test_a_save_is_judged_again(home, begun, tmp_path):
    require("tmux")
    tmux = ["tmux", "-S", str(tmp_path / "tmux"), "-f", "/dev/null"]
    watch = f"cd {home}/thread && XDG_STATE_HOME={tmp_path}/state {sys.executable} -m threadserver lab watch; exec cat"
    subprocess.run([*tmux, "new-session", "-d", "-x", "100", "-y", "50", watch], check=True)

    def screen():
        return subprocess.run([*tmux, "capture-pane", "-p"], capture_output=True, text=True).stdout

    try:
        eventually(lambda: "Waiting for a save" in screen(), "the starter is judged")
        assert "FAILED" in screen()
        write(begun, "solution")
        eventually(lambda: "100 of 100 points" in screen(), "the saved solution is judged")
        subprocess.run([*tmux, "send-keys", "C-c"], check=True)
        eventually(lambda: not _watchers(home), "watching has ended")
    finally:
        subprocess.run([*tmux, "kill-server"], check=True)


def _watchers(home):
    found = []
    for name in os.listdir("/proc"):
        if name.isdecimal():
            try:
                if (
                    os.readlink(f"/proc/{name}/cwd") == f"{home}/thread"
                    and b"watch" in Path(f"/proc/{name}/cmdline").read_bytes()
                ):
                    found.append(int(name))
            except OSError:
                pass
    return found


@pytest.mark.parametrize("command", ["check", "run"])
def test_ctrl_c_ends_the_submission_and_leaves_nothing(command, tmp_path):
    (tmp_path / "tmp").mkdir()
    words = ["lab", command, "--lab", "thread", str(LABS / "thread" / "solution")]
    environment = {**unmeasured(), "TMPDIR": str(tmp_path / "tmp"), "XDG_STATE_HOME": str(tmp_path)}
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    with subprocess.Popen([sys.executable, "-m", "threadserver", *words], **pipes, text=True, env=environment) as ours:
        below = psutil.Process(ours.pid)
        started = eventually(lambda: _with_the_submission(below), "the submission runs")
        ours.send_signal(signal.SIGINT)
        _, errors = ours.communicate(timeout=PATIENCE)
    assert (ours.returncode, errors.strip()) == (130, "")
    eventually(lambda: not any(one.is_running() for one in started), "every process has gone")
    assert not list((tmp_path / "tmp").iterdir())


def _with_the_submission(process):
    """Return the processes below this one, once the submission is one of them."""
    found = process.children(recursive=True)
    for one in found:
        with suppress(psutil.Error):
            if "server.py" in one.cmdline():
                return found
    return []

"""``threadserver grade``, as an instructor runs it: real archives, real judges, and every way in which it can end."""

import csv
import json
import os
import signal
import sqlite3
import subprocess
import sys

import psutil
import pytest
from rich.console import Console

from tests.conftest import eventually, unmeasured
from tests.grading.conftest import WRONG, zipped
from tests.judge.conftest import SERVER
from threadserver.core.errors import KitError
from threadserver.grading import batch, grading
from threadserver.grading.grading import Options
from threadserver.grading.lateness import policy
from threadserver.judge.outcomes import Outcome, Result, Verdict

EVIL = "=HYPERLINK(1)<script>"
WORKSHEET = """Identifier,Full name,Status,Grade,Maximum Grade,Grade can be changed,Last modified (grade)
Participant 1,Ada Lovelace,Submitted,,20.00,Yes,-
Participant 2,Grace Hopper,Submitted,,20.00,Yes,-
Participant 4,Linus,No submission,,20.00,Yes,-
"""


@pytest.fixture(scope="module")
def graded(lab, tmp_path_factory):
    """A class that was graded from Moodle's export: right, wrong, hostile, and the right one again under a bad name."""
    folder = tmp_path_factory.mktemp("graded")
    inner = zipped(folder / "inner.zip", {"work/server.py": SERVER, "__MACOSX/._x": b""}).read_bytes()
    climbing = zipped(folder / "climbing.zip", {"../../server.py": SERVER}).read_bytes()
    export = zipped(folder / "export.zip", {
        "Ada Lovelace_1_assignsubmission_file_/work.zip": inner,
        "Grace Hopper_2_assignsubmission_file_/server.py": WRONG,
        "Mallory_3_assignsubmission_file_/work.zip": climbing,
        f"{EVIL}_5_assignsubmission_file_/server.py": SERVER,
    })  # fmt: skip
    (folder / "worksheet.csv").write_text(WORKSHEET)
    result = subprocess.run(
        [sys.executable, "-m", "threadserver", "grade", f"{lab.folder}/", export, "--jobs", "2", "--json",
         "--gradebook", folder / "worksheet.csv", "-o", folder / "grades"],
        capture_output=True, text=True, timeout=120,
    )  # fmt: skip
    return folder, result


def test_a_class_is_graded_from_an_export_to_a_filled_gradebook(graded):
    folder, result = graded
    said = json.loads(result.stdout)
    assert result.returncode == 1  # one hand-in needs a person
    assert (said["judged"], said["changes"]) == (2, [])  # two hand-ins are the same
    points = {one["name"]: (one["points"], one["state"]) for one in said["grades"]}
    assert points == {
        "Ada Lovelace": (10, "graded"),
        "Grace Hopper": (1, "graded"),
        "Mallory": (None, "refused"),
        EVIL: (10, "graded"),
    }
    assert said["problems"] == [f"{EVIL} (5) has no row in {folder / 'worksheet.csv'}"]
    assert "2 of 2" in result.stderr
    assert (folder / "grades" / "gradebook.csv").read_text() == WORKSHEET.replace(
        "Submitted,,20", "Submitted,20,20", 1
    ).replace("Submitted,,20", "Submitted,2,20")
    table = (folder / "grades" / "grades.csv").read_text().splitlines()
    rows = {row["student"]: row for row in csv.DictReader(table)}
    assert rows["5"]["name"] == f"'{EVIL}"
    assert (rows["2"]["listens"], rows["2"]["line"], rows["3"]["points"]) == ("1", "0", "")
    assert sorted(path.name for path in (folder / "grades").iterdir()) == [
        ".lock", "class.html", "copies", "feedback", "gradebook.csv", "grades.csv", "grades.db"
    ]  # fmt: skip


def test_pages_hold_no_markup_of_a_student_and_feedback_says_how_to_see_it_again(graded):
    folder, _ = graded
    page = (folder / "grades" / "class.html").read_text()
    assert "<script>" not in page
    assert "climbs out of its folder" in page
    assert "Grace Hopper" in page
    (told,) = (folder / "grades" / "feedback").glob("Grace_Hopper_2-*.txt")
    assert "FAILED line: a line comes back" in told.read_text()
    assert "--lab small --seed" in told.read_text()
    assert str(folder) not in told.read_text()
    assert all(path.name.isascii() and "<" not in path.name for path in told.parent.iterdir())


def test_a_verdict_can_be_had_again(graded, threadserver):
    folder, _ = graded
    again = threadserver("grade", "replay", "grace hopper", "-o", folder / "grades", "--json")
    assert again.returncode == 0, again.stderr
    said = json.loads(again.stdout)
    with sqlite3.connect(folder / "grades" / "grades.db") as database:
        query = "SELECT seed FROM verdict JOIN grade USING (content, rubric, kit) WHERE student = '2'"
        (seed,) = database.execute(query).fetchone()
    assert (said["seed"], said["differences"]) == (seed, [])
    for student, code in (("nobody", 2), ("Mallory", 2)):
        result = threadserver("grade", "replay", student, "-o", folder / "grades")
        assert (result.returncode, result.stderr.count("\n")) == (code, 1)


@pytest.fixture
def grade(lab, tmp_path, monkeypatch):
    """Grade a class with verdicts that the test gives, by a submission's text; return what was done."""
    asked = []

    def run(folder, scores, **options):
        def check(_lab, copy):
            text = (copy / "server.py").read_text()
            asked.append(text)
            found = scores[text].pop(0) if isinstance(scores[text], list) else scores[text]
            if isinstance(found, BaseException):
                raise found
            result = Result("line", found, 10, Outcome.PASSED, "it works")
            return Verdict("small", "user", [result] if found is not None else [], complete=found is not None, seed=1)

        monkeypatch.setattr(batch.asking, "check", check)
        chosen = Options(**{"jobs": 2, "policy": policy("", "refuse"), **options})
        done = grading.grade(lab, folder, tmp_path / "grades", chosen, Console(stderr=True))
        return {one.student: (one.points, one.state) for one in done.grades}, done, len(asked)

    return run


def test_an_error_of_the_judge_is_tried_again_and_is_never_a_zero(grade, plain):
    folder = plain(ada="a", grace="b", linus="c")
    grades, done, asked = grade(folder, {"a": [None, 7], "b": None, "c": KitError("no room")})
    assert grades == {"ada": (7, "graded"), "grace": (None, "error"), "linus": (None, "error")}
    assert (done.exit_code, asked) == (3, 2 + 3 + 3)
    grades, done, asked = grade(folder, {"b": 5, "c": 4})  # and at the next run
    assert (grades, done.exit_code, asked) == (
        {"ada": (7, "graded"), "grace": (5, "graded"), "linus": (4, "graded")},
        0,
        10,
    )


def test_a_regrade_never_lowers_a_grade_in_silence(grade, plain):
    grade(plain(ada="a", grace="b", linus="c"), {"a": 7, "b": 7, "c": 7})
    worse = plain(ada="a", grace="b worse", linus="c better")
    scores = {"b worse": 3, "c better": 9}
    grades, done, asked = grade(worse, scores)
    assert grades == {"ada": (7, "graded"), "grace": (7, "graded"), "linus": (9, "graded")}
    assert [change.sentence for change in done.changes] == ["grace: 7 -> 3 (kept until --accept)", "linus: 7 -> 9"]
    assert (done.exit_code, done.judged, asked) == (1, 2, 5)  # ada's has not changed
    grades, done, _ = grade(worse, scores, accept=True)
    assert (grades["grace"], done.judged, done.exit_code) == ((3, "graded"), 0, 0)
    grades, done, _ = grade(plain(ada="x"), {"x": None}, accept=True)
    assert [change.sentence for change in done.changes] == ["ada: the judge failed; the grade stays 7"]
    assert done.exit_code == 3
    assert grades == {"ada": (7, "graded"), "grace": (3, "graded"), "linus": (9, "graded")}  # nobody is lost


def test_the_last_the_best_and_the_late_hand_in(grade, tmp_path):
    for number, (name, text) in enumerate((("first", "good"), ("second", "bad"), ("third", "perfect"))):
        file = tmp_path / "class" / "ada" / f"{name}.zip"
        file.parent.mkdir(parents=True, exist_ok=True)
        zipped(file, {"server.py": text})
        os.utime(file, (1_700_000_000 + 86_400 * number,) * 2)
    scores = {"good": 8, "bad": 2, "perfect": 10}
    deadline = "2023-11-16T00:00+00:00"  # between the second and the third
    for options, expected in (
        ({}, 10),
        ({"policy": policy(deadline, "refuse"), "accept": True}, 2),
        ({"policy": policy(deadline, "refuse"), "take": "best"}, 8),
        ({"policy": policy(deadline, "50%/day"), "take": "best", "accept": True}, 8),
        ({"policy": policy(deadline, "10%/day")}, 9),
    ):
        grades, _, _ = grade(tmp_path / "class", scores, **options)
        assert grades["ada"] == (expected, "graded"), options


def test_what_cannot_be_graded_is_refused_before_anything_is_judged_or_written(lab, plain, tmp_path, threadserver):
    folder = plain(ada="a")
    (tmp_path / "g.csv").write_text("a,b\n1,2\n")
    for words, said in (
        ([tmp_path / "nothing"], "is neither a folder nor a zip or tar file"),
        ([folder, "--gradebook", tmp_path / "g.csv"], "neither Canvas's gradebook nor Moodle's"),
        ([folder, "--late", "10%"], "is not a policy"),
    ):
        result = threadserver("grade", f"{lab.folder}/", *words, "-o", tmp_path / "grades")
        assert (result.returncode, said in result.stderr, result.stderr.count("\n")) == (2, True, 1)
    assert not (tmp_path / "grades").exists()


def test_one_grader_at_a_time_and_one_lab_in_a_folder(grade, plain, lab, tmp_path, threadserver):
    grade(plain(ada="a"), {"a": 7})
    with grading.opened(tmp_path / "grades", grading.name_of(lab)):
        busy = threadserver("grade", f"{lab.folder}/", tmp_path / "class", "-o", tmp_path / "grades")
    assert (busy.returncode, "another grader is at work" in busy.stderr) == (1, True)
    other = threadserver("grade", "thread", tmp_path / "class", "-o", tmp_path / "grades")
    assert (other.returncode, "holds grades of the lab" in other.stderr) == (2, True)
    assert (busy.stderr + other.stderr).count("\n") == 2


SLOW = "import time\ntime.sleep(600)\n"


@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGINT])
def test_a_run_that_is_ended_leaves_nothing_running_and_goes_on(how, lab, plain, tmp_path, grade):
    folder = plain(ada=SERVER, grace=SLOW) if how == signal.SIGKILL else plain(grace=SLOW)
    command = [
        sys.executable,
        "-m",
        "threadserver",
        "grade",
        f"{lab.folder}/",
        folder,
        "--jobs",
        "1",
        "-o",
        tmp_path / "grades",
    ]
    grader = subprocess.Popen(command, stderr=subprocess.PIPE, text=True, env=unmeasured())
    if how == signal.SIGKILL:
        assert "ada: 10 of 10" in grader.stderr.readline()
    started = eventually(lambda: _descendants(grader.pid, "server.py"), "the second submission is started")
    everything = [*psutil.Process(grader.pid).children(recursive=True), *started]
    grader.send_signal(how)
    assert grader.wait(60) == (-signal.SIGKILL if how == signal.SIGKILL else 130)
    grader.stderr.close()
    eventually(lambda: not any(map(_runs, everything)), "all that it has started has ended")
    grades, done, asked = grade(folder, {SLOW: 0})
    assert (asked, done.judged) == (1, 1)  # what was judged is not judged again
    assert grades == ({"ada": (10, "graded")} if how == signal.SIGKILL else {}) | {"grace": (0, "graded")}


def _runs(process):
    return process.is_running() and process.status() != psutil.STATUS_ZOMBIE


def _descendants(pid, word):
    found = []
    for process in psutil.Process(pid).children(recursive=True):
        try:
            found += [process] if process.cmdline()[-3:-2] and word in process.cmdline()[-3] else []
        except psutil.Error:
            continue
    return found

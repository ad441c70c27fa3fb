"""What platforms export, read as hand-ins, and the copies that are made of them."""

import os
from datetime import UTC, datetime

import pytest

from tests.grading.conftest import zipped
from threadserver.core.errors import UsageError
from threadserver.grading.copies import Copies
from threadserver.grading.exports import HandIn, read
from threadserver.grading.lateness import policy


def files(folder, *names):
    for name in names:
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        zipped(path, {"work/server.py": b"zipped\n"}) if name.endswith(".zip") else path.write_text("pass\n")
    return folder


@pytest.fixture
def copies(tmp_path):
    return Copies(tmp_path / "copies")


def kept(copies, hand_in):
    """The files of a hand-in's copy, by name."""
    folder = copies.of(copies.keep(hand_in).content)
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file())


def test_moodle(tmp_path, copies):
    files(
        tmp_path / "moodle",
        "Ada Lovelace_101_assignsubmission_file_/server.py",
        "Jörg Müller_102_assignsubmission_file_/work.zip",
        "Grace Hopper_103_assignsubmission_file_server.py",
        "Grace Hopper_103_assignsubmission_file_helper.py",
        "Ada Lovelace_101_assignsubmission_onlinetext_/onlinetext.html",
        "notes.txt",
    )
    export = read(tmp_path / "moodle")
    assert export.platform == "moodle"
    assert {one.student: one.name for one in export.hand_ins} == {
        "101": "Ada Lovelace", "102": "Jörg Müller", "103": "Grace Hopper"
    }  # fmt: skip
    made = {one.student: kept(copies, one) for one in export.hand_ins}
    assert made == {"101": ["server.py"], "102": ["server.py"], "103": ["helper.py", "server.py"]}
    assert export.problems == ["notes.txt: not a hand-in as Moodle exports it; left out"]


def test_canvas(tmp_path, copies):
    files(
        tmp_path / "canvas",
        "lovelaceada_11_901_server-2.py",
        "lovelaceada_11_902_Makefile",
        "hoppergrace_LATE_12_903_work.zip",
    )
    export = read(tmp_path / "canvas")
    assert export.platform == "canvas"
    ada, grace = export.hand_ins if export.hand_ins[0].student == "11" else reversed(export.hand_ins)
    assert kept(copies, ada) == ["Makefile", "server.py"]  # as it was called before it was handed in again
    assert kept(copies, grace) == ["server.py"]
    assert (ada.late, grace.late, grace.when) == (False, True, None)
    assert policy("2026-01-01", "refuse").factor(grace) == 0
    assert policy("2026-01-01", "10%/day").factor(grace) is None  # Canvas does not say how late


def test_gradescope_with_a_group(tmp_path):
    pytest.importorskip("yaml")
    files(
        tmp_path / "export", "assignment_7_export/submission_1/server.py", "assignment_7_export/submission_9/server.py"
    )
    (tmp_path / "export/assignment_7_export/submission_metadata.yml").write_text("""---
submission_1:
  :submitters:
  - :name: Ada Lovelace
    :sid: '101'
    :email: ada@example.edu
  - :name: Grace Hopper
    :sid:
    :email: grace@example.edu
  :created_at: 2026-09-10 23:11:49.394459000 Z
  :score: 0.0
  :history: []
""")
    export = read(tmp_path / "export")
    assert [(one.student, one.name) for one in export.hand_ins] == [
        ("101", "Ada Lovelace"), ("grace@example.edu", "Grace Hopper")
    ]  # fmt: skip
    assert export.hand_ins[0].when == datetime(2026, 9, 10, 23, 11, 49, 394459, UTC)
    assert export.hand_ins[0].files == export.hand_ins[1].files
    assert export.problems == ["submission_9: not a hand-in as Gradescope exports it; left out"]


def test_classroom50_goes_by_the_teachers_list_and_not_by_what_a_repository_says(tmp_path, copies):
    folder = files(
        tmp_path / "c", "cs-thread-ada/server.py", "cs-thread-grace-h/server.py", "cs-thread-grace-h/result.json"
    )
    (folder / "cs-thread-grace-h/result.json").write_text('{"owner": "ada", "datetime": "2000-01-01T00:00:00Z"}')
    (folder / "scores.csv").write_text(
        "username,first_name,last_name,email,section,score,max_score,datetime,submission_tag,submitted_by,review_url,late,override\n"
        "ada,Ada,Lovelace,ada@example.edu,1,,,2026-01-01T00:00:00Z,submit/1,ada,,false,\n"
        "ada,Ada,Lovelace,ada@example.edu,1,,,2026-01-02T00:00:00Z,submit/2,ada,,false,\n"
        "grace-h,Grace,Hopper,,1,,,2026-01-03T00:00:00Z,submit/1,grace-h,,true,\n"
    )
    found = {one.student: one for one in read(folder).hand_ins}
    assert found["ada"].when == datetime(2026, 1, 2, tzinfo=UTC)
    assert (found["grace-h"].name, found["grace-h"].late) == ("Grace Hopper", True)
    assert kept(copies, found["grace-h"]) == ["server.py"]


def test_plain_folders_archives_and_several_hand_ins_of_one_student(tmp_path, copies):
    folder = files(
        tmp_path / "p", "ada/server.py", "grace.tar.zip", "linus/first.zip", "linus/second.zip", "readme.txt"
    )
    os.utime(folder / "linus/first.zip", (2_000_000_000, 2_000_000_000))
    export = read(folder)
    assert {name: len(found) for name, found in export.students().items()} == {"ada": 1, "grace.tar": 1, "linus": 2}
    assert export.students()["linus"][1].files[0][1].name == "first.zip"  # the later one
    assert len(export.problems) == 1
    with pytest.raises(UsageError, match="holds no hand-in"):
        read(folder, "moodle")


def test_a_name_of_any_bytes_can_be_stored_and_printed(tmp_path):
    os.mkdir(os.fsencode(tmp_path / "p") + b"")
    os.mkdir(os.fsencode(tmp_path / "p") + b"/ad\xe4\x1b[2J")
    (export,) = read(tmp_path / "p").hand_ins
    assert export.student == "ad\\xe4\\x1b[2J"


def test_a_folder_in_a_folder_and_an_archive_in_an_archive_are_seen_through(tmp_path, copies):
    files(tmp_path / "a", "one/two/server.py", ".DS_Store", "__MACOSX/x", "one/.threadserver.toml")
    inner = zipped(tmp_path / "inner.zip", {"work/server.py": b"pass\n"}).read_bytes()
    (tmp_path / "b").mkdir()
    zipped(tmp_path / "b" / "outer.zip", {"inner.zip": inner, "__MACOSX/._inner.zip": b"junk"})
    first, second = (copies.keep(HandIn(name, name, (("", tmp_path / name),))) for name in "ab")
    assert first.content == second.content != ""
    assert [path.name for path in copies.of(first.content).iterdir()] == ["server.py"]
    assert [path.name for path in copies.folder.iterdir()] == [first.content]  # nothing is left over
    assert copies.folder.stat().st_mode & 0o077 == 0


def test_a_hand_in_that_cannot_be_read_is_refused_with_the_reason(tmp_path, copies):
    zipped(tmp_path / "climbs.zip", {"../../x": b""})
    (tmp_path / "work.rar").write_bytes(b"Rar!")
    for name, said in (("climbs.zip", "climbs out of its folder"), ("work.rar", "hand in a zip")):
        found = copies.keep(HandIn("ada", "ada", (("", tmp_path / name),)))
        assert (found.content, said in found.problem) == ("", True)


def test_a_link_out_of_a_folder_brings_nothing_in(tmp_path, copies):
    folder = files(tmp_path / "ada", "server.py", "second.py")
    (folder / "secret").symlink_to("/etc/passwd")
    found = copies.keep(HandIn("ada", "ada", (("", folder),)))
    assert sorted(path.name for path in copies.of(found.content).iterdir()) == ["second.py", "server.py"]
    assert found.notes == ("secret leads out of the folder and was left out",)


@pytest.mark.parametrize(
    ("late", "hours", "kept_part"),
    [("refuse", -1, 1), ("refuse", 1, 0), ("accept", 100, 1), ("10%/day", 1, 0.9), ("10%/day", 25, 0.8),
     ("10%/day", 24 * 30, 0), ("5%/hour", 2, 0.9)],
)  # fmt: skip
def test_what_a_late_hand_in_keeps(late, hours, kept_part):
    rule = policy("2026-11-28T12:00+00:00", late)
    hand_in = HandIn("ada", "ada", (), datetime.fromtimestamp(rule.deadline.timestamp() + hours * 3600, UTC))
    assert rule.factor(hand_in) == pytest.approx(kept_part)
    assert rule.is_late(hand_in) == (hours > 0)


@pytest.mark.parametrize(("deadline", "late"), [("tomorrow", "refuse"), ("2026-01-01", "sometimes"), ("", "10/day")])
def test_a_policy_that_cannot_be_read_is_bad_usage(deadline, late):
    with pytest.raises(UsageError):
        policy(deadline, late)

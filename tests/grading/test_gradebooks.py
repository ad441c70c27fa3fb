"""Grades as CSV: no cell is a formula, and a platform's own file comes back with one column changed."""

import csv
import io

import pytest

from threadserver.core.errors import UsageError
from threadserver.grading.grade_store import Grade
from threadserver.grading.gradebooks import cell, fill, table
from threadserver.judge.outcomes import Outcome, Result, Verdict


def grade(student, points, name="", **others):
    values = {
        "state": "graded",
        "note": "",
        "number": 1,
        "late": 0,
        "content": "c",
        "rubric": "r",
        "kit": "k",
        "decided": "",
    }
    return Grade(student, name or student, points, 100, **{**values, **others})


@pytest.mark.parametrize(
    ("value", "written"),
    [("=HYPERLINK(1)", "'=HYPERLINK(1)"), ("+1+1", "'+1+1"), ("@x", "'@x"), ("-2+3", "'-2+3"), ("-2", "-2"), ("-", "-"),
     ("\t=1", "\\t=1"), ("\x1b[2J", "\\x1b[2J"), ("Jörg, the \"first\"", "Jörg, the \"first\""), ("%0A", "'%0A")],
)  # fmt: skip
def test_a_cell_is_no_formula_and_steers_no_terminal(value, written):
    assert cell(value) == written


def test_the_kits_own_table():
    verdict = Verdict("thread", "user", [Result("echo", 3, 4, Outcome.PASSED, "it echoes")], seed=7)
    rows = list(
        csv.DictReader(io.StringIO(table([(grade("=1+1", 82.5), verdict, "when"), (grade("b", None), None, "")])))
    )
    assert rows[0]["student"] == "'=1+1"
    assert (rows[0]["points"], rows[0]["echo"], rows[0]["seed"], rows[0]["handed_in"]) == ("82.5", "3", "7", "when")
    assert (rows[1]["points"], rows[1]["echo"]) == ("", "")


CANVAS = """\ufeffStudent,ID,SIS User ID,SIS Login ID,Section,Lab 1 (77),Lab 2 (78),Final Score
,,,,,Manual Posting,,
    Points Possible,,,,,20,10.0,(read only)
"Lovelace, Ada",11,s11,ada,A,,3,
"=cmd|x, Grace",12,s12,grace,A,4,,
"Student, Test",99,,x,A,,,
"""


def test_canvas_is_filled_in_and_scaled(tmp_path):
    file = tmp_path / "g.csv"
    file.write_text(CANVAS)
    names = {"11": ["11"], "grace": ["grace"], "linus": ["linus"]}
    grades = {"11": grade("11", 82.5), "grace": grade("grace", None), "linus": grade("linus", 1)}
    with pytest.raises(UsageError, match=r"--column TITLE; there are: 'Lab 1 \(77\)', 'Lab 2 \(78\)'"):
        fill(file, grades, names)
    filled = fill(file, grades, names, "Lab 1")
    assert filled.text == CANVAS.replace("ada,A,,3", "ada,A,16.5,3").replace('"=cmd', "\"'=cmd")
    assert (filled.matched, filled.missing) == (["11", "grace"], ["linus"])


GERMAN = """ID,"Vollständiger Name",E-Mail-Adresse,Status,Bewertung,Bestwertung,"Bewertung kann geändert werden",\
"Zuletzt geändert (Bewertung)","Feedback als Kommentar"
"Teilnehmer/in101","Ada Lovelace",ada@example.edu,abgegeben,,"10,00",Ja,-,
"Teilnehmer/in102","Jörg Müller",jm@example.edu,abgegeben,"5,00","10,00",Ja,-,
"Teilnehmer/in103","Linus",l@example.edu,-,,"10,00",Ja,-,
"""


def test_moodles_worksheet_is_filled_in_whatever_its_language(tmp_path):
    file = tmp_path / "Bewertungen.csv"
    file.write_text(GERMAN)
    grades = {"101": grade("101", 82.5), "102": grade("102", 100)}
    filled = fill(file, grades, {"101": ["101"], "102": ["102"]})
    before, after = (list(csv.reader(io.StringIO(text))) for text in (GERMAN, filled.text))
    assert [row[4] for row in after] == ["Bewertung", "8,25", "10", ""]
    assert [row[:4] + row[5:] for row in after] == [row[:4] + row[5:] for row in before]
    by_address = fill(file, grades, {"101": ["x", "ADA@example.edu"], "102": ["Jörg  Müller"]})
    assert by_address.text == filled.text


def test_nobody_gets_a_grade_by_taking_anothers_name(tmp_path):
    file = tmp_path / "g.csv"
    file.write_text(CANVAS.replace('"=cmd|x, Grace"', "ada"))  # Grace, who handed in nothing, calls herself ada
    filled = fill(file, {"ada": grade("ada", 50)}, {"ada": ["ada"]}, "Lab 1")
    assert [row[5] for row in csv.reader(io.StringIO(filled.text))][3:5] == ["10", "4"]
    moodle = tmp_path / "m.csv"
    moodle.write_text(GERMAN)
    grades = {"101": grade("101", 50), "102": grade("102", 10)}
    filled = fill(moodle, grades, {"101": ["101"], "102": ["102", "101", "Ada Lovelace"]})  # who calls himself 101
    assert [row[4] for row in csv.reader(io.StringIO(filled.text))][1:3] == ["5", "1"]


def test_a_name_that_two_students_have_means_neither(tmp_path):
    file = tmp_path / "g.csv"
    file.write_text(GERMAN)
    grades = {"x": grade("x", 50), "y": grade("y", 70)}
    assert fill(file, grades, {"x": ["x", "Ada Lovelace"], "y": ["y", "Ada Lovelace"]}).missing == ["x", "y"]


@pytest.mark.parametrize("text", ["", "a,b\n1,2\n", "Student,ID,SIS Login ID,Lab (1)\nAda,1,a,\n", "a,b,c,d\nx,,1\n"])
def test_what_is_no_gradebook_is_refused_in_a_line(tmp_path, text):
    (tmp_path / "g.csv").write_text(text)
    with pytest.raises(UsageError, match=r"g\.csv"):
        fill(tmp_path / "g.csv", {}, {})

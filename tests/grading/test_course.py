"""What a course says about a lab: weights, partial credit, hidden checks; and what is refused."""

import pytest

from threadserver.core.errors import UsageError
from threadserver.grading.course import Scheme, read_scheme, scheme_of
from threadserver.grading.grade_store import Grade
from threadserver.grading.student_pages import html, text
from threadserver.judge.outcomes import Outcome, Result, Verdict


def verdict(**points):
    """A verdict: what each check earned, of 10 points."""
    checks = [
        Result(name, worth, 10, Outcome.PASSED if worth else Outcome.FAILED, f"sentence of {name}", "why", "hint")
        for name, worth in points.items()
    ]
    return Verdict("small", "user", checks, seed=7)


@pytest.mark.parametrize(
    ("scheme", "points", "most"),
    [
        (Scheme(), 20, 30),
        (Scheme(points=6), 4, 6),
        (Scheme(weights={"a": 3}), 40, 50),
        (Scheme(weights={"a": 0}, points=10), 5, 10),
        (Scheme(whole=(frozenset({"a", "c"}),)), 10, 30),  # c failed, so a earns nothing
        (Scheme(whole=(frozenset({"a", "b"}),)), 20, 30),
        (Scheme(hidden=frozenset({"a"})), 20, 30),  # hidden, and counted
    ],
)
def test_what_a_verdict_is_worth(scheme, points, most):
    assert scheme.worth(verdict(a=10, b=10, c=0)) == (pytest.approx(points), pytest.approx(most))


def test_a_student_sees_nothing_of_a_hidden_check(lab):
    found = verdict(a=10, secret=0)
    found.checks.append(Result("b", 0, 0, Outcome.BLOCKED, "sentence of b", "not tried: it depends on secret"))
    scheme = Scheme(points=5, hidden=frozenset({"secret"}))
    points, most = scheme.worth(found)
    grade = Grade("ada", "ada", points, most, "graded", "", 1, 0, "c", "r", "k", "")
    for page in (html(lab, grade, found, scheme), text(lab, grade, found, scheme)):
        assert "sentence of a" in page
        assert "secret" not in page
        assert "checks that are not shown: 1" in page
        assert "your grade is 2.5 of 5 points" in page


def test_a_course_file_is_read_and_a_mistake_in_it_is_named(lab, tmp_path):
    file = tmp_path / "course.toml"
    file.write_text('[labs.small]\npoints = 20\nhidden = ["line"]\nweights = { listens = 2 }\n[labs.other]\nx = 1\n')
    assert scheme_of(lab, file) == Scheme(20, frozenset({"line"}), (), {"listens": 2})
    assert scheme_of(lab, None) == Scheme()
    for said, why in (
        ('[labs.small]\nhidden = ["lines"]\n', "no check lines; its checks are listens, line"),
        ("[labs.small]\nhide = []\n", "the keys are hidden, points, weights, whole"),
        ("[labs.small]\npoints = -1\n", "none is negative"),
        ("[labs.small\n", "course.toml"),
    ):
        file.write_text(said)
        with pytest.raises(UsageError, match=why) as refused:
            scheme_of(lab, file)
        assert "\n" not in str(refused.value)


@pytest.mark.parametrize(
    "said", [5, {"weights": {"a": "2"}}, {"hidden": "a"}, {"whole": ["a"]}, {"points": True}, {"points": float("nan")}]
)
def test_a_value_of_the_wrong_kind_is_refused(said):
    with pytest.raises(UsageError):
        read_scheme(said, "course.toml")

"""The five outcomes of a check, and how each affects the score, the exit code and the next checks."""

import pytest

from threadserver.core.errors import UsageError
from threadserver.judge import asking
from threadserver.judge.outcomes import Outcome

RUBRIC = """
    tries = []

    @points(1, "passes")
    def test_passing():
        pass

    @points(2, "fails", hint="read the book", after="passing")
    def test_failing():
        raise WrongError("it did something else", "what the kernel showed")

    @points(4, "asserts")
    def test_asserting():
        assert 1 + 1 == 3

    @points(8, "depends", after="failing")
    def test_depending():
        raise AssertionError("never run")

    @points(16, "depends on what depends", after=("passing", "depending"))
    def test_depending_too():
        raise AssertionError("never run")

    @points(32, "cannot tell")
    def test_doubting():
        raise UndeterminedError("two witnesses disagree", "what each said")

    @points(64, "comes after a doubt", after="doubting")
    def test_after_doubt():
        pass
"""


@pytest.fixture
def judged(make_lab, submission):
    def judge(rubric, **options):
        verdict = asking.check(make_lab(rubric), submission(), **options)
        return verdict, {one.name: one for one in verdict.checks}

    return judge


def test_each_outcome_earns_its_points_and_gives_its_reason(judged):
    verdict, checks = judged(RUBRIC)
    assert {name: (str(one.outcome), one.points) for name, one in checks.items()} == {
        "passing": ("passed", 1),
        "failing": ("failed", 0),
        "asserting": ("failed", 0),
        "depending": ("blocked", 0),
        "depending_too": ("blocked", 0),
        "doubting": ("undetermined", 32),
        "after_doubt": ("passed", 64),
    }
    assert (verdict.score, verdict.max_score, verdict.exit_code) == (97, 127, 1)
    assert verdict.standing == "provisional: 97 of 127; undecided: doubting: two witnesses disagree"
    failing = checks["failing"]
    assert (failing.message, failing.evidence, failing.hint) == (
        "it did something else", "what the kernel showed", "read the book",
    )  # fmt: skip
    assert "1 + 1" in checks["asserting"].message
    assert "failing" in checks["depending"].message
    assert checks["doubting"].evidence == "what each said"
    assert not checks["passing"].hint


def test_all_passed_is_exit_code_0(judged):
    verdict, _ = judged("""
        @points(1, "passes")
        def test_passing():
            pass
    """)
    assert (verdict.score, verdict.max_score, verdict.exit_code) == (1, 1, 0)
    assert not verdict.as_json()["provisional"]


def test_full_marks_with_a_doubt_are_provisional(judged):
    verdict, _ = judged("""
        @points(1, "cannot tell")
        def test_doubting():
            raise UndeterminedError("two witnesses disagree", "what each said")
    """)
    assert (verdict.score, verdict.max_score, verdict.exit_code) == (1, 1, 1)
    assert verdict.as_json()["provisional"]


@pytest.mark.parametrize(
    "how", ["raise ValueError('the judge is ill')", "import pytest; pytest.skip()", "import pytest; pytest.fail('x')"]
)
def test_a_broken_or_skipped_check_is_the_judges_error_and_costs_the_student_nothing(judged, how):
    verdict, checks = judged(f"""
        @points(1, "breaks")
        def test_breaking():
            {how}

        @points(2, "passes")
        def test_passing():
            pass
    """)
    assert checks["breaking"].outcome is Outcome.ERROR
    assert (verdict.score, verdict.max_score, verdict.exit_code) == (2, 2, 3)


def test_after_an_error_of_the_judge_a_check_is_tried_once_more(judged):
    verdict, checks = judged("""
        tries = []

        @points(1, "breaks at first")
        def test_breaking():
            tries.append(1)
            if len(tries) == 1:
                raise OSError("for a moment")
    """)
    assert checks["breaking"].outcome is Outcome.PASSED
    assert verdict.exit_code == 0


def test_checks_come_after_those_that_they_depend_on(judged):
    verdict, _ = judged("""
        @points(1, "last", after="first")
        def test_last():
            pass

        @points(1, "first")
        def test_first():
            pass
    """)
    assert [one.name for one in verdict.checks] == ["first", "last"]


def test_only_runs_the_named_checks_and_their_dependencies(judged):
    verdict, checks = judged(RUBRIC, only=["failing"])
    assert list(checks) == ["passing", "failing"]
    assert verdict.complete


def test_an_unknown_check_is_bad_usage_and_the_error_lists_the_known_ones(make_lab, submission):
    with pytest.raises(UsageError, match="no such check: nothing; the checks are passing, failing"):
        asking.check(make_lab(RUBRIC), submission(), only=["nothing"])


@pytest.mark.parametrize(
    ("rubric", "said"),
    [
        ("def test_without_points():\n    pass", "without_points has no @points"),
        ("@points(1, 'x', after='nobody')\ndef test_one():\n    pass", "after nobody, which is not a check"),
        (
            ("@points(1, 'x', after='two')\ndef test_one():\n    pass\n\n"
            "@points(1, 'x', after='one')\ndef test_two():\n    pass\n"),
            "one after two after one",
        ),
        ("def broken(:", "SyntaxError"),
        ("", "no check"),
    ],
)  # fmt: skip
def test_a_wrong_rubric_gives_no_verdict(judged, rubric, said):
    verdict, checks = judged(rubric)
    assert not checks
    assert verdict.exit_code == 3
    assert said in verdict.problem


def test_results_come_as_soon_as_they_are_known(make_lab, submission):
    seen = []
    lab = make_lab(RUBRIC)
    asking.check(lab, submission(), done=lambda result: seen.append(result.name))
    assert seen[:2] == ["passing", "failing"]


def test_after_the_time_limit_no_further_check_begins(make_lab, submission):
    lab = make_lab(RUBRIC, 'title = "short"\nseconds = 0\n')
    verdict = asking.check(lab, submission())
    assert {str(one.outcome) for one in verdict.checks} == {"error"}
    assert verdict.exit_code == 3  # a submission that was not judged has lost nothing
    assert "limit of 0 s had passed" in verdict.checks[0].message

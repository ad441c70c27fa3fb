"""Everything that the labs ship gets the expected verdict. `make selftest` is the long form.

To keep a run short, only the solutions are judged here, and one mistake or alternative of each of the first six labs.
"""

from concurrent.futures import ThreadPoolExecutor

import pytest

from threadserver.core.labs import labs
from threadserver.judge.selftest import judge, subjects


def chosen():
    found = []
    for lab in labs():
        first, *others = subjects(lab, ["solution"])
        there = subjects(lab, ["alternatives" if lab.order % 2 else "mistakes"]) if lab.order <= 6 else []
        found.append(pytest.param(first, id=first.title, marks=[pytest.mark.long] if lab.order > 6 else []))
        longer = [*others, *there[len(there) // 2 :][:1]]
        found += [pytest.param(subject, id=subject.title, marks=pytest.mark.long) for subject in longer]
    return found


@pytest.fixture(scope="module")
def judged(request):
    """The verdicts that are asked for, as futures; a few are judged at a time."""
    pool = ThreadPoolExecutor(8)  # each waits most of the time
    asked = (item.callspec.params.get("subject") for item in request.session.items if item.path == request.path)
    return {subject.title: pool.submit(judge, subject) for subject in asked if subject}


@pytest.mark.parametrize("subject", chosen())
def test_a_submission_gets_the_expected_verdict(subject, judged):
    reported = judged[subject.title].result()
    assert not reported.differs


@pytest.mark.parametrize("lab", labs(), ids=lambda lab: lab.name)
def test_a_lab_ships_enough_and_says_what_each_is(lab):
    """Submissions that are not judged here are at least complete, and their Python compiles."""
    assert lab.handout.stat().st_size > 1000
    mistakes, alternatives = subjects(lab, ["mistakes"]), subjects(lab, ["alternatives"])
    assert (len(mistakes) >= 12 and len(alternatives) >= 6) or lab.order > 6
    for subject in mistakes:
        assert subject.fails
        assert subject.says
    for subject in (*subjects(lab, ["solution"]), *mistakes, *alternatives):
        for file in subject.folder.rglob("*.py"):
            compile(file.read_bytes(), file, "exec")

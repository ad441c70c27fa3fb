"""What rubrics say, without judging anything: points, dependencies, and what each group of checks exports."""

import re
from importlib import import_module
from types import SimpleNamespace

import pytest

from threadserver.core.labs import labs
from threadserver.core.loading import load_module
from threadserver.judge.checks import GROUPS
from threadserver.judge.marking import check_of, points
from threadserver.judge.plugin import _place
from threadserver.judge.selftest import subjects

SHARED = {"conversation": 36, "leaving": 9, "concurrent": 25, "event_loop": 12, "pool": 43}


def checks_of(names):
    return [check for name, value in names.items() if name.startswith("test_") and (check := check_of(value))]


@pytest.mark.parametrize("lab", labs(), ids=lambda lab: lab.name)
def test_the_checks_of_a_lab_add_up_to_its_points_and_depend_only_on_each_other(lab):
    checks = checks_of(vars(load_module(str(lab.rubric))))
    names = {check.name for check in checks}
    assert sum(check.points for check in checks) == lab.points
    assert {name for check in checks for name in check.after} <= names
    assert {name for mistake in subjects(lab, ["mistakes"]) for name in mistake.fails} <= names


@pytest.mark.parametrize("lab", labs(), ids=lambda lab: lab.name)
def test_a_handout_says_what_the_checks_are_worth(lab):
    worth = {check.name: check.points for check in checks_of(vars(load_module(str(lab.rubric))))}
    rows = re.findall(r"^\| (.+?) \| (\d+) \|", lab.handout.read_text(), re.MULTILINE)
    assert sum(int(said) for _, said in rows) == lab.points
    for cell, said in rows:
        if re.fullmatch(r"(`\w+`,? ?)+", cell):  # a list of checks; other cells name a group
            assert sum(worth[name] for name in re.findall(r"\w+", cell)) == int(said), cell


@pytest.mark.parametrize("group", SHARED)
def test_a_group_exports_every_check_that_it_holds(group):
    module = import_module(f"threadserver.judge.checks.{group}")
    own = {name for name, value in vars(module).items() if check_of(value) and value.__module__ == module.__name__}
    assert {name for name in module.__all__ if name.startswith("test_")} == own
    assert sum(check.points for check in checks_of(vars(module))) == SHARED[group]


def test_the_conversation_is_judged_first_and_a_labs_own_checks_last():
    @points(1, "a check of the rubric itself")
    def test_of_the_rubric():
        pass

    modules = [import_module(f"threadserver.judge.checks.{group}") for group in sorted(GROUPS)]
    shared = [value for module in modules for name, value in vars(module).items() if name in module.__all__]
    items = [SimpleNamespace(function=check) for check in (test_of_the_rubric, *filter(check_of, shared))]
    order = [item.function.__module__.rpartition(".")[2] for item in sorted(items, key=_place)]
    assert list(dict.fromkeys(order)) == [*GROUPS, "test_rubrics"]

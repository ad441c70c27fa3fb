"""results.json: a written file can be read, whole, or is refused in one line."""

import json

import pytest
from click.testing import CliRunner

from tests.comparison.samples import results
from threadserver.cli.compare import compare
from threadserver.comparison import results as module
from threadserver.core.errors import UsageError


@pytest.fixture
def written(tmp_path):
    found = results(names=("thread", "iterative"), rounds=2)
    found.write(tmp_path / "results.json")
    return found, tmp_path / "results.json"


def test_a_written_result_can_be_read(written):
    found, path = written
    assert module.read(path).as_dict() == found.as_dict()
    assert json.loads(path.read_text())["schema"] == "threadserver-comparison/1"


def test_every_key_is_documented(written):
    found, _ = written
    whole = found.as_dict()
    for key in {*whole, *(name for run in whole["runs"] for name in run)}:
        assert f"{key}" in module.__doc__


def test_writing_replaces_the_file_atomically(written):
    found, path = written
    before = path.stat().st_ino
    found.runs.pop()
    found.write(path)
    assert path.stat().st_ino != before
    assert [each.name for each in path.parent.iterdir()] == ["results.json"]


DAMAGES = {
    "no name": lambda given: given["contestants"][0].pop("name"),
    "no time": lambda given: given.update(begun=None),
    "no machine": lambda given: given.update(machine={}),
    "no pace": lambda given: given.update(pace={}),
    "no load average": lambda given: given.update(load_average=[]),
    "nobody": lambda given: given.update(contestants=[]),
    "an outcome": lambda given: given["runs"][-1].update(outcome="nonsense"),
    "a family": lambda given: given["contestants"][0].update(family="nonsense"),
    "a histogram": lambda given: given["runs"][-1]["load"]["latency"].update(hdr="AAAA"),
    "a generator": lambda given: given["runs"][-1]["load"].pop("generator"),
    "a number": lambda given: given["runs"][-1]["load"].update(requests_per_second="x"),
    "infinite": lambda given: given["runs"][-1]["load"].update(requests_per_second=float("inf")),
}


@pytest.mark.parametrize("damage", DAMAGES)
@pytest.mark.parametrize("option", ["--report", "--against"])
def test_any_damage_is_reported_in_one_line(written, tmp_path, damage, option):
    _, path = written
    given = json.loads(path.read_text())
    DAMAGES[damage](given)
    damaged = tmp_path / "damaged.json"
    damaged.write_text(json.dumps(given))
    first = [] if option == "--report" else ["--report", path]
    ended = CliRunner().invoke(compare, [*map(str, [*first, option, damaged, "--output", tmp_path / "out"])])
    if option == "--report" or ended.exception:  # what it has not in common with the other is not looked at
        assert isinstance(ended.exception, UsageError), ended.exception
        assert str(ended.exception).startswith(f"{damaged} is ")
        assert "\n" not in str(ended.exception)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("{", "is not a results.json"),
        ("[]", "is not a results.json of this version"),
        ('{"schema": "threadserver-comparison/2"}', "'threadserver-comparison/2', not 'threadserver-comparison/1'"),
        ('{"schema": "threadserver-comparison/1", "cells": []}', "is damaged"),
    ],
)
def test_another_file_is_refused_in_one_line(tmp_path, text, said):
    path = tmp_path / "results.json"
    path.write_text(text)
    with pytest.raises(UsageError, match=said) as caught:
        module.read(path)
    assert "\n" not in str(caught.value)
    with pytest.raises(UsageError, match="no such file"):
        module.read(tmp_path / "none.json")

"""Bundles for platforms: each is unpacked and run, laid out as the platform does, on submissions of every kind."""

import json
import os
import subprocess
import sys
import zipfile
from xml.etree import ElementTree

import pytest

from tests.grading.conftest import WRONG
from tests.judge.conftest import SERVER
from threadserver.core.errors import KitError, UsageError
from threadserver.grading.course import Scheme
from threadserver.judge.outcomes import Outcome, Result, Verdict
from threadserver.platforms import bundles, github_log, gradescope, junit
from threadserver.platforms.platform_results import Told

DISHONEST = f"""\
import os
for root in ("/autograder", "@ROOT@", os.path.expanduser("~")):
    try:
        open(root + "/results/results.json", "w").write('{{"score": 1000}}')
        print(open(root + "/source/scheme.json").read())
    except OSError:
        pass
print("::error::owned")
{WRONG}"""
SCHEME = Scheme(points=20, hidden=frozenset({"line"}), weights={"line": 1})


@pytest.fixture(scope="module")
def autograder(lab, tmp_path_factory):
    """/autograder, as Gradescope lays it out: the unpacked zip file in source."""
    root = tmp_path_factory.mktemp("autograder")
    bundles.export("gradescope", lab, SCHEME, root / "bundle.zip")
    with zipfile.ZipFile(root / "bundle.zip") as archive:
        for info in archive.infolist():  # as unzip(1) does, which keeps the run bit
            os.chmod(archive.extract(info, root / "source"), info.external_attr >> 16)
    (root / "results").mkdir()
    return root


def run_autograder(root, server):
    submission = root / "submission"
    submission.mkdir(exist_ok=True)
    (submission / "server.py").write_text(server.replace("@ROOT@", str(root)))
    (root / "results" / "results.json").unlink(missing_ok=True)
    kit = str(root / "source" / "kit")
    environment = {**os.environ, "AUTOGRADER": str(root), "PYTHON": sys.executable, "PYTHONPATH": kit}
    if server == DISHONEST and os.geteuid() == 0:
        environment["THREADSERVER_CONTAINMENT"] = "user"  # all that the platform allows
    command = [root / "source" / "run_autograder"]
    return subprocess.run(command, env=environment, capture_output=True, text=True, timeout=120)


@pytest.mark.parametrize(
    ("server", "score"), [(SERVER, 20), (WRONG, 2), (DISHONEST, 2), ("raise SystemExit(1)\n", 0)],
    ids=["right", "wrong", "dishonest", "broken"],
)  # fmt: skip
def test_gradescopes_bundle_judges(autograder, server, score):
    ended = run_autograder(autograder, server)
    assert ended.returncode == 0, ended.stderr
    said = json.loads((autograder / "results" / "results.json").read_text())
    assert_form(said)
    assert said["score"] == score
    assert [test["visibility"] for test in said["tests"]] == ["visible", "hidden"]
    assert (autograder / "results").stat().st_mode & 0o077 == 0


def assert_form(said):
    """The form that Gradescope's specification defines (gradescope/autograder_samples, docs/specs.md)."""
    assert set(said) <= {
        "score", "execution_time", "output", "output_format", "test_output_format", "test_name_format", "visibility",
        "stdout_visibility", "extra_data", "tests", "leaderboard",
    }  # fmt: skip
    for test in said["tests"]:
        assert set(test) <= {
            "score", "max_score", "status", "name", "name_format", "number", "output", "output_format", "tags",
            "visibility", "extra_data",
        }  # fmt: skip
        assert test["status"] in {"passed", "failed"}
        assert test["visibility"] in {"hidden", "after_due_date", "after_published", "visible"}
        assert 0 <= test["score"] <= test["max_score"]
        assert isinstance(test["name"] + test["output"] + test["number"], str)


def test_gradescopes_zip_has_its_scripts_in_the_root_and_they_are_programs(autograder):
    with zipfile.ZipFile(autograder / "bundle.zip") as archive:
        modes = {info.filename: info.external_attr >> 16 for info in archive.infolist()}
    assert all(modes[name] & 0o111 for name in ("setup.sh", "run_autograder"))
    assert "kit/threadserver/labs/small/rubric.py" in modes
    assert not [name for name in modes if "solution" in name or name.endswith(".pyc")]
    for name in ("setup.sh", "run_autograder"):
        assert subprocess.run(["sh", "-n", autograder / "source" / name], check=False).returncode == 0


# Formats, with verdicts that a test gives.


def told(lab, outcomes, **others):
    checks = [
        Result(name, 9 if outcome in {Outcome.PASSED, Outcome.UNDETERMINED} else 0, 9, outcome, f"<{name}> & co",
               "got\x1b[2J\n::error::owned 100%", "hint", "]]> evidence", "transcript")
        for name, outcome in outcomes.items()
    ]  # fmt: skip
    return Told(lab, Scheme(hidden=frozenset({"secret"})), Verdict("small", "user", checks, seed=7, **others), checks)


EVERY = {
    "a": Outcome.PASSED,
    "b": Outcome.FAILED,
    "c": Outcome.BLOCKED,
    "d": Outcome.UNDETERMINED,
    "secret": Outcome.FAILED,
}


def test_a_doubt_costs_nothing_and_partial_results_are_whole(lab):
    found = gradescope.results(told(lab, EVERY))
    assert_form(found)
    assert [test["status"] for test in found["tests"]] == ["passed", "failed", "failed", "passed", "failed"]
    assert found["score"] == 18
    assert "\x1b" not in json.dumps(found)
    assert "not finished" in gradescope.results(told(lab, EVERY, complete=False))["output"]


def test_junit_is_what_its_readers_expect(lab, tmp_path):
    junit.write(tmp_path / "report.xml", told(lab, {**EVERY, "e": Outcome.ERROR}, problem="no \x00 room"))
    suite = ElementTree.parse(tmp_path / "report.xml").getroot()
    assert (suite.tag, suite.get("tests"), suite.get("failures"), suite.get("errors"), suite.get("skipped")) == (
        "testsuite", "6", "1", "2", "1"
    )  # fmt: skip
    kinds = {case.get("name").partition(":")[0]: [child.tag for child in case] for case in suite}
    assert kinds == {
        "a": ["system-out"], "b": ["failure"], "c": ["skipped"], "d": ["system-out"], "e": ["error"], "judge": ["error"]
    }  # fmt: skip
    assert "secret" not in (tmp_path / "report.xml").read_text()


def test_no_word_of_a_submission_commands_githubs_runner(lab):
    lines = github_log.annotations(told(lab, EVERY))
    assert [line.partition(" ")[0] for line in lines] == ["::error", "::notice"]
    assert all(line.isprintable() and line.startswith("::") for line in lines)
    assert "\\n::error::owned 100%25" in lines[0]
    summary = github_log.summary(told(lab, EVERY))
    assert "<b>" not in summary
    assert "secret" not in summary
    assert not any(line.lstrip().startswith("::") for line in summary.splitlines())


@pytest.mark.parametrize(
    ("platform", "file"), [("github-actions", ".github/workflows/judge.yml"), ("gitlab-ci", ".gitlab-ci.yml")]
)
def test_a_workflow_runs_the_judge_of_its_bundle(platform, file, lab, tmp_path):
    """The command that stands in the workflow is run in a repository with the bundle and a submission."""
    bundles.export(platform, lab, Scheme(), tmp_path / "bundle.zip")
    repository = tmp_path / "repository"
    with zipfile.ZipFile(tmp_path / "bundle.zip") as archive:
        archive.extractall(repository)
    (repository / "server.py").write_text(WRONG)
    (tmp_path / "precious").write_text("kept")
    (repository / "junit.xml").symlink_to(tmp_path / "precious")
    for name in ("click.py", "json.py", "threadserver.py"):
        (repository / name).write_text("raise SystemExit('the judge imports what a student wrote')\n")
    workflow = pytest.importorskip("yaml").safe_load((repository / file).read_text())
    scripts = workflow["judge"]["script"] if platform == "gitlab-ci" else [
        step["run"] for step in workflow["jobs"]["judge"]["steps"] if "judge_there" in step.get("run", "")
    ]  # fmt: skip
    (script,) = scripts
    words = script.replace("$RUNNER_TEMP", str(tmp_path)).replace('"', "").split()
    words = words[words.index("-P") :]
    environment = {
        **os.environ,
        "PYTHONPATH": str(repository / ".threadserver/kit"),
        "GITHUB_STEP_SUMMARY": str(tmp_path / "summary"),
    }
    command = [sys.executable, *words]
    result = subprocess.run(command, cwd=repository, env=environment, capture_output=True, text=True, timeout=120)
    assert result.returncode == 1, result.stderr
    assert (tmp_path / "precious").read_text() == "kept"
    assert "1 of 10 points" in result.stdout
    report = (repository if platform == "gitlab-ci" else tmp_path) / "junit.xml"
    assert ElementTree.parse(report).getroot().get("failures") == "1"
    assert ("::error title=line::" in result.stdout) == (platform == "github-actions")
    assert (tmp_path / "summary").exists() == (platform == "github-actions")


def test_classroom50s_bundle_judges(lab, tmp_path):
    """Its autograder.py is run in a checkout with a planted result and modules that would take the judge over."""
    bundles.export("classroom50", lab, Scheme(points=1, hidden=frozenset({"listens"})), tmp_path / "bundle.zip")
    with zipfile.ZipFile(tmp_path / "bundle.zip") as archive:
        archive.extractall(tmp_path / "autograder")
    assert {path.name for path in (tmp_path / "autograder").iterdir()} == {"autograder.py", "kit.zip", "scheme.json"}
    with zipfile.ZipFile(tmp_path / "autograder" / "kit.zip") as archive:
        archive.extractall(tmp_path)
    checkout = tmp_path / "checkout"
    checkout.mkdir()
    (checkout / "server.py").write_text(WRONG)
    (checkout / "click.py").write_text("raise SystemExit('the judge imports what a student wrote')\n")
    (tmp_path / "precious").write_text("kept")
    (checkout / "result.json").symlink_to(tmp_path / "precious")
    told_by_runner = {"CLASSROOM": "c", "ASSIGNMENT": "a", "OWNER": "u", "SUBMISSION_TAG": "submit/1",
                      "COMMIT_URL": "https://commit", "RELEASE_URL": "https://release"}  # fmt: skip
    environment = {**os.environ, **told_by_runner, "PYTHON": sys.executable, "PYTHONPATH": str(tmp_path / "kit")}
    command = [sys.executable, tmp_path / "autograder" / "autograder.py"]
    ended = subprocess.run(command, cwd=checkout, env=environment, capture_output=True, text=True, timeout=120)
    assert ended.returncode == 0, ended.stderr
    assert (tmp_path / "precious").read_text() == "kept"
    said = json.loads((checkout / "result.json").read_text())
    assert {name: said[name] for name in ("schema", "classroom", "assignment", "owner", "submission", "review")} == {
        "schema": "classroom50/result/v1", "classroom": "c", "assignment": "a", "owner": "u", "submission": "submit/1",
        "review": "https://commit",
    }  # fmt: skip
    tests = [(test["passed"], test["score"], test["max-score"]) for test in said["tests"]]
    assert tests == [(False, 0, 90), (True, 10, 10)]
    assert (said["score"], said["max-score"]) == (10, 100)  # hundredths: scores are whole numbers
    assert all(type(number) is int for _, *numbers in tests for number in numbers)
    assert "listens" not in (checkout / "result.json").read_text()


def test_an_error_of_the_judge_leaves_no_result_that_counts(lab, tmp_path):
    class Broken(gradescope.Gradescope):
        def write(self, given):
            super().write(given)
            given.verdict.problem = "the machine broke"

    (tmp_path / "submission").mkdir()
    writer = Broken(tmp_path / "results.json")
    writer.write(told(lab, EVERY))
    assert (tmp_path / "results.json").exists()
    assert writer.end(told(lab, EVERY, problem="the machine broke")) == 3
    assert not (tmp_path / "results.json").exists()


def test_a_bundle_overwrites_nothing_and_is_a_zip_file(lab, tmp_path):
    with pytest.raises(UsageError, match=r"name it .*x\.zip"):
        bundles.export("gradescope", lab, Scheme(), tmp_path / "x")
    (tmp_path / "x.zip").touch()
    with pytest.raises(KitError, match="already exists"):
        bundles.export("gradescope", lab, Scheme(), tmp_path / "x.zip")

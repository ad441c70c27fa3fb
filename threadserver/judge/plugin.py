"""The judge as a pytest plugin: checks are pytest's items, outcomes come through its hooks, nothing is parsed.

pytest collects the rubric and runs its functions. The plugin decides in which order they run, which are blocked, and
what an exception means. Every check must have an outcome: a skipped check, or one without an outcome, is an error of
the judge. After an error the check runs once more, from a fresh start. Each result is reported as soon as it is known.
"""

import random
import time
import traceback
from collections.abc import Callable, Container, Iterable
from dataclasses import replace
from math import inf
from typing import Any

import pytest
from _pytest.runner import runtestprotocol

from threadserver.judge.checks import GROUPS
from threadserver.judge.marking import Check, check_of, place_of
from threadserver.judge.outcomes import Outcome, Result, UndeterminedError, earned
from threadserver.judge.patience import MOST, OUT_OF_PATIENCE, Patience
from threadserver.judge.transcript import Transcript
from threadserver.submission.folder import SubmissionError
from threadserver.submission.machine_error import MachineError
from threadserver.submission.server_program import StartError

TRIES = 2

Emit = Callable[[Result], None]


class RubricError(Exception):
    """A rubric that cannot be used: the instructor's mistake, never the student's."""


class Judging:
    """The plugin of one run.

    ``only`` names the wanted checks; those that they depend on run, too. After ``seconds`` no further check begins.
    That is many times what a correct submission needs, and only bounds a submission that makes every check wait.
    """

    def __init__(self, emit: Emit, only: Iterable[str] = (), seconds: float = inf, seed: int = 0) -> None:
        self._seed = seed
        self.checks: list[Check] = []
        self.results: dict[str, Result] = {}
        self.problem = ""
        """Why the rubric could not be run."""
        self.misused = ""
        """What is wrong with the request: a check that does not exist."""
        self.transcript = Transcript()
        """The transcript of the current check."""
        self.patience = Patience()
        """The judge's patience with this submission, over all checks."""
        self.random = self.drawn_for("")
        """The random source of the current check: the same in each try, whatever other checks have drawn."""
        self.fresh = True
        """True when the current check needs a server of its own."""
        self.second_hand = False
        """True when that check got a server that an earlier check has used."""
        self._emit = emit
        self._failure: BaseException | None = None
        self._none_is_used = False
        self._named: dict[str, Check] = {}
        self._fixtures: set[str] = set()
        self._only = set(only)
        self._seconds = seconds
        self._end = time.monotonic() + seconds

    # Collecting.

    def pytest_collectreport(self, report: pytest.CollectReport) -> None:
        """Note that the rubric could not be read."""
        if report.failed:
            self.problem = f"the rubric cannot be read: {report.longreprtext[-1500:]}"

    @pytest.hookimpl(trylast=True)
    def pytest_collection_modifyitems(self, items: list[pytest.Item]) -> None:
        """Order the checks, each after those that it depends on, and leave out those that are not wanted."""
        try:
            self._collect(items)
        except RubricError as error:
            self.problem = f"the rubric is wrong: {error}"
            items.clear()

    def _collect(self, items: list[pytest.Item]) -> None:
        found: dict[str, tuple[Check, pytest.Item]] = {}
        for item in sorted(items, key=_turn):
            check = check_of(getattr(item, "function", None))
            if check is None or check.name in found:
                raise RubricError(f"{item.name} has no @points, or appears twice")
            found[check.name] = check, item
        ordered = _ordered({name: _as_taken(check, item, found) for name, (check, item) in found.items()})
        unknown = sorted(self._only - set(ordered))
        if unknown:
            self.misused = f"no such check: {', '.join(unknown)}; the checks are {', '.join(ordered)}"
        wanted = _with_dependencies(self._only or set(ordered), ordered)
        self.checks = [check for name, check in ordered.items() if name in wanted]
        self._named = {found[check.name][1].name: check for check in self.checks}
        items[:] = [found[check.name][1] for check in self.checks]
        self._fixtures = {name for item in items for name in getattr(item, "fixturenames", ())}

    # Running.

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtest_protocol(self, item: pytest.Item, nextitem: pytest.Item | None) -> bool:
        """Run a check, and once more when the judge itself failed."""
        check = self._named[item.name]
        blockers = [name for name in check.after if not self.passed(name)]
        if time.monotonic() > self._end:
            result = _result(
                check,
                Outcome.ERROR,
                f"not tried: the lab's time limit of {self._seconds:g} s had passed",
            )
        elif blockers:
            result = _result(check, Outcome.BLOCKED, f"not tried: it depends on {', '.join(blockers)}")
        elif self.problem:
            return True  # the machine cannot judge
        elif self.patience.exhausted:
            result = _result(
                check, Outcome.BLOCKED,
                f"{OUT_OF_PATIENCE} {MOST:g} s in total, doing nothing meanwhile",
            )  # fmt: skip
        else:
            result = self._run(check, item, nextitem)
            if self.problem:
                return True
        self.results[check.name] = result
        self._emit(result)
        return True

    def _run(self, check: Check, item: pytest.Item, nextitem: pytest.Item | None) -> Result:
        """Run a check: again with a server of its own if it fails with a used one, and again if the judge breaks."""
        self.fresh = check.fresh or self._none_is_used
        for _ in range(TRIES):
            result = self._try(check, item, nextitem)
            if self.problem:
                break
            if self.second_hand and result.outcome is not Outcome.PASSED:
                self.fresh = self._none_is_used = True
                result = self._try(check, item, nextitem)
            if result.outcome is not Outcome.ERROR:
                break
        return result

    def _try(self, check: Check, item: pytest.Item, nextitem: pytest.Item | None) -> Result:
        self.transcript = Transcript()
        self.random = self.drawn_for(check.name)
        self._failure = None
        self.second_hand = False
        # After the last check, pass the session: its fixtures must outlive a check that is tried again.
        runtestprotocol(item, log=False, nextitem=nextitem or item.session)  # type: ignore[arg-type]
        if isinstance(self._failure, MachineError):
            self.problem = str(self._failure)
            item.session.shouldstop = self.problem
        return self._judge(check)

    def drawn_for(self, what: str) -> random.Random:
        """Return the random source for a check, or for something else, made from the seed."""
        return random.Random(f"{self._seed} {what}")  # noqa: S311

    @property
    def failure(self) -> BaseException | None:
        """What has gone wrong in the current check."""
        return self._failure

    @property
    def all_is_well(self) -> bool:
        """True while nothing has gone wrong in the current check."""
        return self._failure is None

    def pytest_runtest_makereport(self, item: pytest.Item, call: pytest.CallInfo[Any]) -> None:  # noqa: ARG002
        """Keep the first failure or skip: an error in the cleanup afterwards says less."""
        if call.excinfo is not None and self._failure is None:
            self._failure = call.excinfo.value

    def is_wanted(self, fixture: str) -> bool:
        """Return whether any of the checks uses a fixture."""
        return fixture in self._fixtures

    def is_over(self, name: str) -> bool:
        """Return whether a check has its result, or is not wanted."""
        return name in self.results or all(check.name != name for check in self.checks)

    def passed(self, name: str) -> bool:
        """Return whether a check has been tried and nothing was found wrong."""
        result = self.results.get(name)
        return result is not None and result.outcome in {Outcome.PASSED, Outcome.UNDETERMINED}

    def failed(self, *names: str) -> bool:
        """Return whether something was found wrong in any of these checks."""
        results = (self.results.get(name) for name in names)
        return any(result is not None and result.outcome is Outcome.FAILED for result in results)

    def _judge(self, check: Check) -> Result:
        """Return the result that the end of a check means."""
        failure = self._failure
        if failure is None:
            return _result(check, Outcome.PASSED, "")
        evidence = getattr(failure, "evidence", "") or getattr(failure, "output", "")
        if isinstance(failure, SubmissionError | StartError):
            message = f"{failure}. The contract: {failure.contract}" if failure.contract else str(failure)
            result = _result(check, Outcome.FAILED, message, evidence, self.transcript)
            return replace(result, hint="") if isinstance(failure, SubmissionError) else result
        if isinstance(failure, AssertionError):
            return _result(check, Outcome.FAILED, str(failure), evidence, self.transcript)
        if isinstance(failure, UndeterminedError):
            return _result(check, Outcome.UNDETERMINED, str(failure), evidence, self.transcript)
        if isinstance(failure, KeyboardInterrupt):
            raise failure
        trace = "".join(traceback.format_exception(failure)[-4:])
        return _result(
            check, Outcome.ERROR, f"the judge failed: {type(failure).__name__}: {failure}", trace, self.transcript
        )


def _result(
    check: Check, outcome: Outcome, message: str, evidence: str = "", transcript: Transcript | None = None
) -> Result:
    return Result(
        name=check.name,
        points=earned(outcome, check.points),
        max_points=check.points,
        outcome=outcome,
        sentence=check.sentence,
        message=message,
        hint="" if outcome is Outcome.PASSED else check.hint,
        evidence=evidence,
        transcript=transcript.text() if transcript else "",
    )


def _uses(item: pytest.Item, fixture: str) -> bool:
    return fixture in getattr(item, "fixturenames", ())


def _turn(item: pytest.Item) -> tuple[bool, bool, tuple[int, int]]:
    """Return a check's place in the order: checks that wait long come last, those that only wait at the very end."""
    return _uses(item, "aside"), not _uses(item, "server"), _place(item)


def _place(item: pytest.Item) -> tuple[int, int]:
    return place_of(getattr(item, "function", None))


def _as_taken(check: Check, item: pytest.Item, taken: Container[str]) -> Check:
    """Make a shared check depend only on checks that the rubric also takes: it need not take whole groups."""
    if _place(item)[0] == len(GROUPS):
        return check
    return replace(check, after=tuple(name for name in check.after if name in taken))


def _ordered(checks: dict[str, Check]) -> dict[str, Check]:
    """Return checks in their rubric's order, but each after those that it depends on."""
    ordered: dict[str, Check] = {}

    def place(check: Check, path: tuple[str, ...]) -> None:
        if check.name in path:
            raise RubricError(" after ".join((*path, check.name)))
        for name in check.after:
            if name not in checks:
                raise RubricError(f"{check.name} comes after {name}, which is not a check of this rubric")
            place(checks[name], (*path, check.name))
        ordered.setdefault(check.name, check)

    for check in checks.values():
        place(check, ())
    return ordered


def _with_dependencies(names: set[str], checks: dict[str, Check]) -> set[str]:
    wanted = set(names)
    for name in names:
        if checks[name].after:
            wanted |= _with_dependencies(set(checks[name].after), checks)
    return wanted

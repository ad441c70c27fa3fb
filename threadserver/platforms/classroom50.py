"""Classroom 50's result.json, as its wiki defines it (foundation50/classroom50, Advanced-Autograding).

Scores are whole numbers there: where a course's weights make fractions, everything is in hundredths. Hidden checks are
one test together. When the judge itself fails there is no file, and the exit code is 3: the runner reports an error.
"""

import json
import os
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from threadserver.core.printable import printable
from threadserver.judge.outcomes import Outcome, Result
from threadserver.platforms.platform_results import Told, described, write_whole

HIDDEN = "checks that are not shown"


class Classroom50:
    """Writes one result.json."""

    def __init__(self, target: Path) -> None:
        self._target = target

    def write(self, told: Told) -> None:
        """Write the result so far, whole or not at all."""
        write_whole(self._target, json.dumps(result(told, os.environ)).encode())

    def end(self, told: Told) -> int:
        """Write the final result, or none when the judge failed."""
        if told.verdict.broken:
            self._target.unlink(missing_ok=True)
            return 3
        self.write(told)
        return 0


def result(told: Told, environment: Mapping[str, str]) -> dict[str, Any]:
    """Return the file's content; the runner's environment says which submission it is about."""
    tests = _tests(told)
    return {
        "schema": "classroom50/result/v1",
        "classroom": environment.get("CLASSROOM", ""),
        "assignment": environment.get("ASSIGNMENT", ""),
        "assignment_type": environment.get("ASSIGNMENT_TYPE", "individual"),
        "owner": environment.get("OWNER") or environment.get("USERNAME", ""),
        "submission": environment.get("SUBMISSION_TAG", ""),
        "commit": environment.get("COMMIT_URL", ""),
        "release": environment.get("RELEASE_URL", ""),
        "review": environment.get("REVIEW_URL") or environment.get("COMMIT_URL", ""),
        "datetime": datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
        "score": sum(test["score"] for test in tests),
        "max-score": sum(test["max-score"] for test in tests),
        "tests": tests,
    }


def _tests(told: Told) -> list[dict[str, Any]]:
    checks = told.checks
    factor = (
        1 if all(one.points == int(one.points) and one.max_points == int(one.max_points) for one in checks) else 100
    )
    shown = [_test(one, factor) for one in checks if one.name not in told.scheme.hidden]
    hidden = [_test(one, factor) for one in checks if one.name in told.scheme.hidden]
    if hidden:
        sums = {key: sum(test[key] for test in hidden) for key in ("score", "max-score")}
        shown.append({"test-name": HIDDEN, "passed": all(test["passed"] for test in hidden), **sums})
    return shown


def _test(check: Result, factor: int) -> dict[str, Any]:
    return {
        "test-name": f"{check.name}: {check.sentence}",
        "passed": check.outcome in {Outcome.PASSED, Outcome.UNDETERMINED},
        "score": round(check.points * factor),
        "max-score": round(check.max_points * factor),
        "output": printable(described(check), keep="\n"),
    }

"""Gradescope's results.json, as its autograder specification defines it.

Each check is a test; a hidden one has the visibility ``hidden``. Gradescope takes a time-out for a zero unless the file
is there, so it is written after every check. When the judge itself fails, the file is removed and the exit code is 3:
then Gradescope reports that the autograder failed, gives no score, and an instructor can run it again.
"""

import json
from pathlib import Path
from typing import Any

from threadserver.core.printable import printable
from threadserver.judge.outcomes import Outcome, Result
from threadserver.platforms.platform_results import Told, described, seen_again, write_whole


class Gradescope:
    """Writes one results.json."""

    def __init__(self, target: Path) -> None:
        self._target = target

    def write(self, told: Told) -> None:
        """Write the result so far, whole or not at all."""
        write_whole(self._target, json.dumps(results(told)).encode())

    def end(self, told: Told) -> int:
        """Write the final result, or none when the judge failed."""
        if told.verdict.broken:
            self._target.unlink(missing_ok=True)
            return 3
        self.write(told)
        return 0


def results(told: Told) -> dict[str, Any]:
    """Return the file's content."""
    checks, verdict = told.checks, told.verdict
    waiting = [] if verdict.complete else ["The judge has not finished: checks without a result count nothing yet."]
    notes = [f"Note: {note}" for note in verdict.notes]
    said = [verdict.standing.capitalize(), *waiting, *notes, f"To see this again: {seen_again(told)}"]
    return {
        "score": round(sum(check.points for check in checks), 2),
        "output": printable("\n\n".join(filter(None, said)), keep="\n"),
        "output_format": "text",
        "test_output_format": "text",
        "test_name_format": "text",
        "visibility": "visible",
        "stdout_visibility": "hidden",
        "tests": [_test(number, check, told) for number, check in enumerate(checks, 1)],
        "extra_data": {"lab": told.lab.name, "seed": verdict.seed, "containment": verdict.containment,
                       "provisional": verdict.provisional},
    }  # fmt: skip


def _test(number: int, check: Result, told: Told) -> dict[str, Any]:
    kept = check.outcome in {Outcome.PASSED, Outcome.UNDETERMINED}
    return {
        "number": str(number),
        "name": f"{check.name}: {check.sentence}",
        "score": round(check.points, 2),
        "max_score": round(check.max_points, 2),
        "status": "passed" if kept else "failed",
        "output": printable(described(check), keep="\n"),
        "tags": [check.outcome.value],
        "visibility": "hidden" if check.name in told.scheme.hidden else "visible",
    }

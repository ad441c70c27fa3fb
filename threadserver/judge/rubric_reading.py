"""Reading rubrics without judging anything: which checks they hold, and what each is worth.

A rubric is a program, so a process of its own runs it: a fresh, isolated interpreter in an empty folder, as for the
judge itself. One process reads any number of rubrics, in a quarter of a second.
"""

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterable
from pathlib import Path

from threadserver.core.errors import UsageError
from threadserver.core.labs import PACKAGE
from threadserver.core.loading import load_module
from threadserver.judge.marking import check_of, place_of

PATIENCE = 60
"""Seconds after which a rubric that does not end is abandoned."""
_PROGRAM = "import sys; sys.path.insert(0, {kit!r}); from threadserver.judge.rubric_reading import main; main()"

Checks = dict[str, tuple[float, str]]
"""What each check is worth, and its sentence, by the check's name."""


def read(rubrics: Iterable[Path]) -> dict[Path, Checks | str]:
    """Return the checks of each rubric, or the reason why it cannot be read."""
    wanted = [rubric.resolve() for rubric in rubrics]
    found: dict[Path, Checks | str] = {}
    with tempfile.TemporaryDirectory(prefix="rubrics-") as neutral:
        try:
            ended = subprocess.run(
                [sys.executable, "-I", "-c", _PROGRAM.format(kit=str(PACKAGE.parent))],
                input=json.dumps([str(rubric) for rubric in wanted]), capture_output=True, text=True, check=False,
                cwd=neutral, timeout=PATIENCE,
                env={name: value for name, value in os.environ.items() if name in {"PATH", "LANG", "HOME", "TMPDIR"}},
            )  # fmt: skip
        except subprocess.TimeoutExpired:
            return dict.fromkeys(wanted, f"it does not end within {PATIENCE} s")
    for line in ended.stdout.splitlines():
        one = json.loads(line)
        found[Path(one["rubric"])] = one["problem"] or {name: (worth, said) for name, worth, said in one["checks"]}
    said = ended.stderr.strip().splitlines()
    return dict.fromkeys(wanted, said[-1] if said else "its process ended early") | found


def main() -> None:
    """Read the rubrics that standard input names, and print one line of JSON for each."""
    sys.dont_write_bytecode = True  # labs are read, never written to
    results = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)  # a rubric's own output is not a result
    for rubric in json.load(sys.stdin):
        problem, checks = "", []
        try:
            checks = _checks(rubric)
        except UsageError as error:
            problem = str(error)
        print(json.dumps({"rubric": rubric, "problem": problem, "checks": checks}), file=results, flush=True)


def _checks(rubric: str) -> list[tuple[str, float, str]]:
    functions = [value for name, value in vars(load_module(rubric)).items() if name.startswith("test")]
    found = {check.name: check for check in map(check_of, sorted(functions, key=place_of)) if check}
    return [(check.name, check.points, check.sentence) for check in found.values()]

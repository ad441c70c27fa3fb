"""Asking the judge: start a judge process for each submission, and read its results as they come.

If the machine allows it, the judge has a network of its own (`submission.network`), so that submissions judged side by
side can use the same port. When the asking process is interrupted or dies, the judge ends, with everything that it has
started.
"""

import os
import secrets
import signal
import subprocess
import sys
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO

from threadserver.core.errors import UsageError
from threadserver.core.labs import PACKAGE, Lab
from threadserver.judge.events import Begun, Ended, Judged, Misused, Noted, Request, from_json, to_json
from threadserver.judge.outcomes import Result, Verdict
from threadserver.submission import network
from threadserver.submission.temporary import own_folder

KIT = PACKAGE.parent
SEEDS = 10**9
"""Seeds are below this number: short enough to type, too many to try."""
_PROGRAM = "import sys; sys.path.insert(0, {kit!r}); from threadserver.judge.judge_process import main; main()"
_PASSED_ON = ("PATH", "LANG", "LC_", "HOME", "TMPDIR", "TEMP", "TMP", "THREADSERVER_CONTAINMENT", "COVERAGE_")
"""Environment variables that the judge inherits: none of them configures Python or pytest."""


def check(
    lab: Lab,
    folder: Path,
    *,
    only: Iterable[str] = (),
    seed: int | None = None,
    begun: Callable[[str, str], None] = lambda *_: None,
    done: Callable[[Result], None] = lambda _: None,
) -> Verdict:
    """Judge the submission in ``folder``. Call ``begun`` with the containment, ``done`` with each result.

    The ``seed`` of an earlier verdict makes it ask the same questions again; without one, a seed is drawn.
    Raises UsageError when ``only`` names a check that does not exist.
    """
    seed = secrets.randbelow(SEEDS) if seed is None else seed
    verdict = Verdict(lab.name, "", complete=False, seed=seed)
    request = Request(
        folder=str(folder.resolve()),
        rubric=str(lab.rubric.resolve()),
        role=lab.role,
        model=lab.model,
        kit=lab.kit,
        only=list(only),
        seconds=lab.seconds,
        seed=seed,
    )
    with (
        own_folder("judge") as neutral,
        (neutral / "errors").open("w+b") as errors,
        _judge(request, neutral, errors) as judge,
    ):
        assert judge.stdout is not None  # noqa: S101
        for line in judge.stdout:
            match from_json(line):
                case Begun(containment, sentence):
                    verdict.containment = containment
                    begun(containment, sentence)
                case Judged(result):
                    verdict.checks.append(result)
                    done(result)
                case Noted(notes):
                    verdict.notes += notes
                case Misused(problem):
                    raise UsageError(problem)
                case Ended(problem):
                    verdict.complete, verdict.problem = True, problem
        if not verdict.complete:
            errors.seek(0)
            said = errors.read()[-2000:].decode("utf-8", "replace").strip()
            verdict.problem = f"the judge ended early{_killed(judge.wait())}: {said}"
    return verdict


def _killed(code: int) -> str:
    return f", by signal {-code}, perhaps because memory ran out" if code == -signal.SIGKILL else ""


@contextmanager
def _judge(request: Request, neutral: Path, errors: IO[bytes]) -> Iterator["subprocess.Popen[str]"]:
    program = [sys.executable, "-I", "-c", _PROGRAM.format(kit=str(KIT))]
    environment = {name: value for name, value in os.environ.items() if name.startswith(_PASSED_ON)}
    judge = subprocess.Popen(
        network.privately(program), cwd=neutral, env=environment, encoding="utf-8",
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=errors, start_new_session=True,
    )  # fmt: skip
    assert judge.stdin is not None  # noqa: S101
    try:
        with suppress(BrokenPipeError):
            judge.stdin.write(to_json(request))
            judge.stdin.close()
        yield judge
    finally:
        if judge.stdout:
            judge.stdout.close()
        if judge.poll() is None:
            judge.terminate()
        judge.wait()

"""Judging many submissions side by side: each by a judge process of its own, in its own namespaces.

A thread of the grader waits for each judge; only the grader's main thread writes results, as soon as it has them. When
the judge itself fails, it tries again, and after the last try the result is marked as its error: never a zero.
"""

import threading
from collections.abc import Callable, Iterable
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

import psutil

from threadserver.core.errors import KitError
from threadserver.core.labs import Lab
from threadserver.judge import asking
from threadserver.judge.outcomes import Result, Verdict

TRIES = 3
YOURS = "your submission"
"""What feedback says in place of the path of the copy on the grader's machine."""

Done = Callable[[str, Verdict, int], None]
"""Called with a content, its verdict, and the number of tries that it took."""


def judge_all(lab: Lab, contents: Iterable[str], folder_of: Callable[[str], Path], jobs: int, done: Done) -> None:
    """Judge every content, ``jobs`` at a time. An exception, Ctrl-C too, ends the judges that still run."""
    waiting = iter(contents)
    stopped = threading.Event()
    with ThreadPoolExecutor(jobs) as pool:
        running: dict[Future[tuple[Verdict, int]], str] = {}
        try:
            while True:
                while len(running) < jobs and (content := next(waiting, None)) is not None:
                    running[pool.submit(_judge, lab, folder_of(content).resolve(), stopped)] = content
                if not running:
                    return
                for future in wait(running, return_when=FIRST_COMPLETED).done:
                    done(running.pop(future), *future.result())
        except BaseException:
            stopped.set()
            while wait(running, timeout=0.1).not_done:
                _end_judges()
            raise


def _judge(lab: Lab, folder: Path, stopped: threading.Event) -> tuple[Verdict, int]:
    verdict, number = Verdict(lab.name, "", complete=False), 0
    while verdict.broken and number < TRIES and not stopped.is_set():
        number += 1
        try:
            verdict = asking.check(lab, folder)
        except KitError as error:
            verdict = Verdict(lab.name, "", complete=False, problem=str(error))
    return _without(verdict, str(folder)), number


def _without(verdict: Verdict, path: str) -> Verdict:
    """Return a verdict that does not say where on this machine the copy lies."""
    checks = [without_path(check, path) for check in verdict.checks]
    notes = [note.replace(path, YOURS) for note in verdict.notes]
    return replace(verdict, checks=checks, notes=notes, problem=verdict.problem.replace(path, YOURS))


def without_path(check: Result, path: str) -> Result:
    """Return a result that does not say where on this machine the copy lies."""
    told = {name: getattr(check, name).replace(path, YOURS) for name in ("message", "evidence", "transcript")}
    return replace(check, message=told["message"], evidence=told["evidence"], transcript=told["transcript"])


def _end_judges() -> None:
    """End the judge processes that this process has started; each stops what it has started itself."""
    for judge in psutil.Process().children():
        with suppress(psutil.NoSuchProcess):
            judge.terminate()

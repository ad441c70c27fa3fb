"""The judge's own process: `asking` starts it, in a network of its own, and reads its `events`.

It is a fresh, isolated interpreter in a neutral folder. It reads its request from standard input, and nothing from the
environment, a configuration, a plugin or a conftest; it never imports what it judges. Standard output carries events
only: whatever a rubric or pytest prints goes to standard error.
"""

import ctypes
import os
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import count, repeat
from pathlib import Path
from typing import IO

import pytest

from threadserver.core.errors import KitError, UsageError
from threadserver.judge.events import Begun, Ended, Event, Judged, Misused, Noted, Request, from_json, to_json
from threadserver.judge.fixtures import FIRST_PORT, ClientFixtures, ServerFixtures
from threadserver.judge.plugin import Judging
from threadserver.submission import containment, network
from threadserver.submission.folder import find
from threadserver.submission.preparing import Prepared, prepared

PR_SET_PDEATHSIG = 1

# pytest as a library: no configuration, no plugins, no cache, no output.
OPTIONS = ["--noconftest", "-p", "no:cacheprovider", "-p", "no:terminal", "-p", "no:faulthandler",
           "-p", "no:unraisableexception", "-p", "no:threadexception", "-p", "no:doctest", "-p", "no:junitxml",
           "--capture=no", "-o", "python_files=rubric.py", "-c", os.devnull]  # fmt: skip


def main() -> None:
    """Judge one submission, as the request on standard input says. End when the asking process ends (prctl(2))."""
    signal.signal(signal.SIGTERM, _interrupt)  # everything is stopped and removed then, as with Ctrl-C
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGTERM)
    sys.dont_write_bytecode = True  # labs are read, never written to
    results = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)
    try:
        request = from_json(sys.stdin.read())
        assert isinstance(request, Request)  # noqa: S101
        _judge(request, results)
    except (BrokenPipeError, KeyboardInterrupt):
        os._exit(1)  # the asking process has gone, or has interrupted this one


def _interrupt(*_: object) -> None:
    """End as with Ctrl-C, once; a second signal ends at once."""
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    raise KeyboardInterrupt


def _judge(request: Request, results: IO[str]) -> None:
    def say(event: Event) -> None:
        results.write(to_json(event) + "\n")
        results.flush()

    try:
        contained = containment.strongest()
    except UsageError as error:
        say(Misused(str(error)))
        return
    except KitError as error:
        say(Ended(str(error)))
        return
    say(Begun(contained.name, contained.sentence))
    judging = Judging(lambda result: say(Judged(result)), request.only, request.seconds, request.seed)
    ports = count(FIRST_PORT) if network.private_network() else repeat(0)
    kind = ClientFixtures if request.role == "client" else ServerFixtures
    fixtures = kind(
        lambda: _prepared(request, contained), judging, ports, lambda notes: say(Noted(list(notes))), request.model
    )
    rubric = Path(request.rubric)
    os.environ["PYTEST_DISABLE_PLUGIN_AUTOLOAD"] = "1"
    code = pytest.main([*OPTIONS, f"--rootdir={rubric.parent}", str(rubric)], plugins=[judging, fixtures])
    if judging.misused:
        say(Misused(judging.misused))
        return
    missing = [check.name for check in judging.checks if check.name not in judging.results]
    problem = judging.problem or (f"no outcome for {', '.join(missing)}" if missing else "")
    if not judging.checks and not problem:
        problem = f"the rubric has no check (pytest's exit code {int(code)})"
    say(Ended(problem))


@contextmanager
def _prepared(request: Request, contained: containment.Containment) -> Iterator[Prepared]:
    folder = os.fsdecode(os.fsencode(request.folder))  # the other process's locale may decode its bytes differently
    submission = find(Path(folder), request.role)
    with prepared(submission, contained, kit=request.kit) as found:
        yield found


if __name__ == "__main__":
    main()

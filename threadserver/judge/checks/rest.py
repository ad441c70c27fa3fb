"""Does a server rest while it has nothing to do? A loop that spins keeps a processor busy all the time.

A spinning task is ready to run at every look, however busy the machine is. A task that polls, with naps in between,
wakes up many times a second, and a busy machine only wakes it less often. So load never makes an honest server look
like either.
"""

import time
from contextlib import suppress

from threadserver.judge.outcomes import WrongError
from threadserver.judge.stillness import PAUSE
from threadserver.judge.trial import Trial
from threadserver.kernel.processes import switches

LOOKS = 40
ENOUGH = 15  # looks in a row in which nothing has run at all
OFTEN = 100  # times a second: no timer of an honest server wakes it that often


def must_rest(trial: Trial, meanwhile: str) -> None:
    """Watch while nothing happens; ``meanwhile`` says what the clients do. Raises WrongError when it never rests."""
    trial.settle()
    begun, first = time.monotonic(), _woken(trial)
    latest, running, quiet = first, 0, 0
    for _ in range(LOOKS):
        runs, before, latest = trial.look().running, latest, _woken(trial)
        running += runs
        quiet = 0 if runs or latest != before else quiet + 1
        if quiet == ENOUGH:
            return
        time.sleep(PAUSE)
    often = (latest - first) / (time.monotonic() - begun)
    if running > LOOKS * 3 / 4:
        raise WrongError(f"While {meanwhile}, your server runs all the time: {running} of {LOOKS} looks found it "
                         "running", trial.situation().text())  # fmt: skip
    if often > OFTEN:
        raise WrongError(f"While {meanwhile}, your server wakes up {often:.0f} times a second",
                         trial.situation().text())  # fmt: skip


def _woken(trial: Trial) -> int:
    """Count how often the tasks have been given a processor."""
    total = 0
    for pid, tid in trial.task_ids():
        with suppress(OSError):
            total += switches(pid, tid)
    return total

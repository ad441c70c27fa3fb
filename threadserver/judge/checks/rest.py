"""Does a server rest while it has nothing to do? A loop that spins keeps a processor busy all the time.

A spinning task is ready to run at every look, however busy the machine is. A task that polls, with naps in between,
wakes up between nearly any two looks; a busy machine delays the looks as well. So load never makes an honest server
look like either.
"""

import time
from collections import Counter

from threadserver.judge.outcomes import WrongError
from threadserver.judge.stillness import PAUSE
from threadserver.judge.transcript import counted
from threadserver.judge.trial import Trial
from threadserver.kernel.call_counts import calls_made
from threadserver.kernel.processes import switches
from threadserver.kernel.task import TaskId

LOOKS = 40
ENOUGH = 10
"""Looks in a row in which nothing has run at all: the server rests."""
MOSTLY = 0.75
"""No honest server's task runs, or has woken up since the look before, at so large a share of the looks."""
A_MOMENT = 10  # looks during which system calls are counted


def must_rest(trial: Trial, meanwhile: str) -> None:
    """Watch while nothing happens; ``meanwhile`` says what the clients do. Raises WrongError when it never rests."""
    trial.settle()
    running, quiet = 0, 0
    awake: Counter[TaskId] = Counter()
    woken = _woken(trial)
    for _ in range(LOOKS):
        time.sleep(PAUSE)
        runs, before, woken = bool(trial.look().running), woken, _woken(trial)
        moved = [task for task, count in woken.items() if count != before.get(task, count)]
        awake.update(moved)
        running += runs
        quiet = 0 if runs or moved else quiet + 1
        if quiet == ENOUGH:
            return
    if running > LOOKS * MOSTLY or max(awake.values(), default=0) > LOOKS * MOSTLY:
        trial.patience.restless = True
        raise WrongError(f"Your server never waits: {_evidence(trial, running)} while {meanwhile}",
                         trial.situation().text())  # fmt: skip


def _evidence(trial: Trial, running: int) -> str:
    """Say how the server is busy: the system call that it makes most often, if calls can be counted."""
    made = calls_made(trial.members(), lambda: time.sleep(A_MOMENT * PAUSE))
    if made:
        name, count = made.most_common(1)[0]
        return f"in a moment it called {name}() {counted(count, 'time')}"
    return f"{running} of {LOOKS} looks found it running" if running else "it woke up at nearly every look"


def _woken(trial: Trial) -> dict[TaskId, int]:
    """Count how often each task has gone to sleep."""
    found = {}
    for pid, tid in trial.task_ids():
        try:
            found[pid, tid] = switches(pid, tid)
        except OSError:
            continue
    return found

"""The judge: finds out from outside what a submission does, with an outcome and evidence for each check.

A rubric is a file of pytest functions. Each has points, a sentence and a hint (`marking`). It gets the submission,
started and contained (`program`, `trial`), clients that expect exact answers (`peer`), and the kernel's view of it all
(`situation`, `serving`).

The judge is a process of its own, in a network of its own (`judge_process`). It never imports what it judges, never
forks into it, and shares nothing writable with it. `asking` starts the judge and reads `events`, one line each, as soon
as something is known.
Read in this order: ``outcomes``, ``marking``, ``program``, ``peer``, ``trial``, ``checks.conversation``, then a lab's
``rubric.py``.
"""

from threadserver.judge.marking import points
from threadserver.judge.outcomes import UndeterminedError, WrongError

__all__ = ["UndeterminedError", "WrongError", "points"]

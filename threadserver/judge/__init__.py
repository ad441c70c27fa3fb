"""The judge: what a submission does, found out from outside, with an outcome and evidence for each check.

A rubric is a file of pytest functions. Each has points, a sentence and a hint (`marking`), and is handed the
submission, started and contained (`trial`), with clients that expect (`peer`) and the kernel's view of it (`situation`,
`serving`).

The judge is a process of its own, in a network of its own (`process`), that never imports, forks into or shares
anything writable with what it judges; who asks it (`asking`) reads outcomes, one line each, as soon as they are known.
Read in this order: ``outcomes``, ``marking``, ``peer``, ``trial``, ``common``, then a lab's ``rubric.py``.
"""

from threadserver.judge.marking import points
from threadserver.judge.outcomes import UndeterminedError, WrongError

__all__ = ["UndeterminedError", "WrongError", "points"]

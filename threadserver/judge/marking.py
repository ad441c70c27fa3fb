"""How a rubric states what a check is worth, what it checks, and what it depends on.

::

    @points(10, "each connection has its own child process", after="many_at_once",
            hint="os.fork() returns twice: 0 in the child, which converses, and the child's process id in the parent.")
    def test_model(server):
        …

The check's name is the function's without ``test_``.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeVar

from threadserver.judge.checks import GROUPS

Function = TypeVar("Function", bound=Callable[..., Any])
_ATTRIBUTE = "threadserver_check"


@dataclass(frozen=True, slots=True)
class Check:
    """What a rubric states about one of its functions."""

    name: str
    points: float
    sentence: str
    hint: str
    after: tuple[str, ...]
    fresh: bool = False
    """True when the check needs a server that no other check has used."""


def points(
    worth: float, sentence: str, *, hint: str = "", after: str | tuple[str, ...] = (), fresh: bool = False
) -> Callable[[Function], Function]:
    """Make a test function a check that is worth points; ``sentence`` is true of a correct submission.

    ``after`` names the checks that must have passed before this one makes sense; otherwise it is blocked. With
    ``fresh`` the server is started for this check; otherwise it may be one that an earlier check has left unchanged.
    """
    before = (after,) if isinstance(after, str) else tuple(after)

    def mark(function: Function) -> Function:
        name = function.__name__.removeprefix("test_")
        setattr(function, _ATTRIBUTE, Check(name, worth, sentence, hint, before, fresh))
        return function

    return mark


def check_of(function: object) -> Check | None:
    """Return what a rubric states about a function; None when the function is not a check."""
    found = getattr(function, _ATTRIBUTE, None)
    return found if isinstance(found, Check) else None


def place_of(function: object) -> tuple[int, int]:
    """Return where a check was written: shared groups come first, in their order; then the line in the file."""
    code = getattr(function, "__code__", None)
    folder, _, group = getattr(function, "__module__", "").rpartition(".")
    shared = folder == "threadserver.judge.checks" and group in GROUPS
    return GROUPS.index(group) if shared else len(GROUPS), code.co_firstlineno if code else 0

"""Running a plan: processes of its own are started, set going together, and their results merged."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from clients.load.plan import Plan
from clients.load.result import Result
from threadserver.errors import KitError

Progress = Callable[[str, float], None]
"""Called now and then with what is done ("connecting", "warming up", "measuring", …) and how much of it, 0 to 1."""


class LoadError(KitError):
    """The generator could not do its work, whatever the server is like; the message says why."""


@dataclass(frozen=True)
class Held:
    """Connections that are held open."""

    connected: int
    """How many were made, greeted, and answered once."""
    errors: dict[str, int]
    """Why the others were not, by kind."""


def run(plan: Plan, progress: Progress | None = None) -> Result:
    """Load a server, and say how it fared. Blocks for the plan's seconds and a little more.

    A server that refuses, resets, hangs or lies is no error but a result. Ctrl-C ends it early: what was measured until
    then is returned, with ``interrupted``. Raises LoadError when the generator itself cannot work: too few
    descriptors allowed, no such host, no process to be had.
    """
    raise NotImplementedError


@contextmanager
def holding(plan: Plan, progress: Progress | None = None) -> Iterator[Held]:
    """Connect all of a plan's connections and keep them, idle, until the block is left; its workload is not asked.

    Each has been answered one line, so that the server has set aside whatever it sets aside for a client.
    Raises LoadError as `run` does.
    """
    raise NotImplementedError

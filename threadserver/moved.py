"""Modules that have moved: submissions and rubrics that were written for version 0.1 import them by their old names.

A finder in `sys.meta_path` knows the new name of each, and hands out the module that bears it.
"""

import sys
from importlib import import_module
from importlib.abc import Loader, MetaPathFinder
from importlib.machinery import ModuleSpec
from types import ModuleType

_CORE = (
    "accepting", "address", "children", "conversation", "coroutines", "errors", "limits", "listener", "loading", "loop",
    "models", "models.iterative", "models.thread", "ports", "recording", "running", "server", "services", "steps",
    "trace",
)  # fmt: skip
_KERNEL = ("calls", "epoll", "look", "namespaces", "processes", "sockets", "syscalls", "tracing")
NEW_NAMES = {
    **{f"threadserver.{name}": f"threadserver.core.{name}" for name in _CORE},
    **{f"threadserver.inspection.{name}": f"threadserver.kernel.{name}" for name in _KERNEL},
    "threadserver.judge.common": "threadserver.judge.checks.conversation",
    "threadserver.judge.concurrent": "threadserver.judge.checks.concurrent",
    "threadserver.judge.leaving": "threadserver.judge.checks.leaving",
    "threadserver.judge.looping": "threadserver.judge.checks.event_loop",
    "threadserver.judge.pooling": "threadserver.judge.checks.pool",
}


class _Moved(MetaPathFinder, Loader):
    """Finds a module under its old name, and hands out the one that bears the new name: there is only one of each."""

    def find_spec(
        self, fullname: str, path: object, target: ModuleType | None = None  # noqa: ARG002
    ) -> ModuleSpec | None:  # fmt: skip
        return ModuleSpec(fullname, self) if fullname in NEW_NAMES else None

    def create_module(self, spec: ModuleSpec) -> ModuleType:
        module = import_module(NEW_NAMES[spec.name])
        spec.loader_state = module.__spec__
        return module

    def exec_module(self, module: ModuleType) -> None:
        """Run nothing, since the module has run: only undo that the import system called it by its old name."""
        assert module.__spec__ is not None  # noqa: S101
        module.__spec__ = module.__spec__.loader_state


def install() -> None:
    """Let the old names be found."""
    if not any(isinstance(finder, _Moved) for finder in sys.meta_path):
        sys.meta_path.insert(0, _Moved())  # first, for an old checkout may have left an empty folder of such a name

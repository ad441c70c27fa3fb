"""Old names: modules, classes and methods that were renamed after version 0.1; submissions and rubrics still use them.

A finder in `sys.meta_path` resolves the old name of a module to the module of the new name. Old names of classes and
methods are aliases that `install` adds. So the code itself knows only the new names.
"""

import sys
from functools import partial
from importlib import import_module
from importlib.machinery import ModuleSpec
from operator import attrgetter
from types import ModuleType

from threadserver.core import conversation, timeouts
from threadserver.core.children import Children
from threadserver.core.conversation import Conversation, State
from threadserver.core.server import Server
from threadserver.core.timeouts import Timeouts

_CORE = (
    "accepting", "address", "children", "conversation", "coroutines", "errors", "listener", "loading", "loop",
    "models", "models.iterative", "models.thread", "ports", "recording", "running", "server", "services", "steps",
    "trace",
)  # fmt: skip
_KERNEL = ("calls", "epoll", "look", "namespaces", "processes", "sockets", "syscalls", "tracing")
NEW_NAMES = {
    **{f"threadserver.{name}": f"threadserver.core.{name}" for name in _CORE},
    **{f"threadserver.inspection.{name}": f"threadserver.kernel.{name}" for name in _KERNEL},
    "threadserver.limits": "threadserver.core.timeouts",
    "threadserver.room": "threadserver.core.admission",
    "threadserver.judge.common": "threadserver.judge.checks.conversation",
    "threadserver.judge.concurrent": "threadserver.judge.checks.concurrent",
    "threadserver.judge.leaving": "threadserver.judge.checks.leaving",
    "threadserver.judge.looping": "threadserver.judge.checks.event_loop",
    "threadserver.judge.pooling": "threadserver.judge.checks.pool",
}
OLD_ATTRIBUTES: dict[type, dict[str, str]] = {
    Server: {"limits": "timeouts", "limit_by": "use_timeouts", "listen_apart": "own_listener"},
    Timeouts: {"last_words": "half_close"},
    Children: {"lacking": "wait_for_vacancy"},
}
OLD_MEMBERS = {
    timeouts: {
        "Limits": "threadserver.core.timeouts.Timeouts",
        "ThreadLimits": "threadserver.core.timeouts.ThreadTimeouts",
        "AlarmLimits": "threadserver.core.timeouts.AlarmTimeouts",
    },
    conversation: {
        name: f"threadserver.clients.client_conversation.{name}"
        for name in ("ClientConversation", "ClosedError", "Hello", "ProtocolError", "RefusalError", "shown")
    },
}


def install() -> None:
    """Make the old names work."""
    if any(isinstance(finder, _Moved) for finder in sys.meta_path):
        return
    sys.meta_path.insert(0, _Moved())  # first, because an old checkout may have left an empty folder of that name
    for owner, names in OLD_ATTRIBUTES.items():
        for old, new in names.items():
            setattr(owner, old, property(attrgetter(new)))
    for module, members in OLD_MEMBERS.items():
        vars(module)["__getattr__"] = partial(_member, module.__name__, members)
    for flag, state in (("established", State.ESTABLISHED), ("refused", State.REFUSED)):
        _let_be_set(flag, state)


class _Moved:
    """Finds a module under its old name and returns the module of the new name, so that each exists only once."""

    def find_spec(
        self, fullname: str, path: object, target: ModuleType | None = None  # noqa: ARG002
    ) -> ModuleSpec | None:  # fmt: skip
        return ModuleSpec(fullname, self) if fullname in NEW_NAMES else None  # type: ignore[arg-type]

    def create_module(self, spec: ModuleSpec) -> ModuleType:
        module = import_module(NEW_NAMES[spec.name])
        spec.loader_state = module.__spec__
        return module

    def exec_module(self, module: ModuleType) -> None:
        """Run nothing, since the module has run already; only restore the name that the import system overwrote."""
        assert module.__spec__ is not None  # noqa: S101
        module.__spec__ = module.__spec__.loader_state


def _member(module: str, members: dict[str, str], name: str) -> object:
    """Act as the ``__getattr__`` of a module (PEP 562): import what the module no longer holds."""
    if name not in members:
        raise AttributeError(f"module {module!r} has no attribute {name!r}")
    new_module, _, new_name = members[name].rpartition(".")
    return getattr(import_module(new_module), new_name)


def _let_be_set(flag: str, state: State) -> None:
    """Let a user's own conversation class set a flag, as it could in version 0.1: true moves it to the state."""
    flagged: property = getattr(Conversation, flag)

    def set_flag(conversation: Conversation, value: bool) -> None:
        if value and flagged.fget and not flagged.fget(conversation):
            conversation.state = state

    setattr(Conversation, flag, flagged.setter(set_flag))

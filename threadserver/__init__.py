"""A teaching kit for concurrent servers.

A server socket listens; a client requests; on confirmation the server starts a new thread, which sends the client the
description of its socket; the client confirms, and the connection is established while the listening socket continues
to listen. `threadserver.core` says in which order to read the code.
"""

from threadserver import moved
from threadserver.core.conversation import Conversation
from threadserver.core.loop import Loop
from threadserver.core.ports import SharedPort
from threadserver.core.running import main, serving
from threadserver.core.server import Server, worker

__all__ = ["Conversation", "Loop", "Server", "SharedPort", "main", "serving", "worker"]

moved.install()


def __getattr__(name: str) -> str:
    """Return ``__version__`` of the installed package. Not read at start-up, because that takes about 50 ms."""
    if name != "__version__":
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib.metadata import version

    return version(__name__)

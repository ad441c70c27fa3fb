"""A teaching kit for concurrent servers.

A server socket listens; a client requests; on confirmation the server starts a new thread, which sends the client the
description of its socket; the client confirms, and the connection is established while the listening socket goes
on listening. Read `threadserver.core` in this order: ``steps``, ``conversation``, ``server``, ``models/thread``.
"""

from threadserver import moved
from threadserver.core.conversation import Conversation
from threadserver.core.loop import Loop
from threadserver.core.running import main, serving
from threadserver.core.server import Server

__all__ = ["Conversation", "Loop", "Server", "main", "serving"]

moved.install()

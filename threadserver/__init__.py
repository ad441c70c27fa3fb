"""A teaching kit for concurrent servers.

A server socket listens; a client requests; on confirmation the server starts a new thread, which sends the client the
description of its socket; the client confirms, and the connection is established while the listening socket goes
on listening. Read in this order: ``steps``, ``conversation``, ``server``, ``models/thread``.
"""

from threadserver.loop import Loop
from threadserver.running import main, serving
from threadserver.server import Server

__all__ = ["Loop", "Server", "main", "serving"]

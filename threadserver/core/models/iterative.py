"""Iterative: one client after the other; whoever comes meanwhile waits in the backlog."""

from threadserver.core.server import Server


def serve(server: Server) -> None:
    """Converse with each client in this thread, so that accept() is only called again when it has gone."""
    for connection in server.connections():
        server.converse(connection)

"""Iterative: one client after the other; the next ones wait in the backlog."""

from threadserver.core.server import Server


def serve(server: Server) -> None:
    """Converse with each client in this thread: accept() is called again only when that client has gone."""
    for connection in server.connections():
        server.converse(connection)

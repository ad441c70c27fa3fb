"""Clients: a blocking one, a crowd of them, and in `threadserver.clients.load` the load generator."""

from threadserver.clients.client import Client

__all__ = ["Client"]

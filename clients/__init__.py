"""Clients: a blocking one, a crowd of them, and in `clients.load` the load generator."""

from clients.client import Client

__all__ = ["Client"]

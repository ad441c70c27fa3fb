"""Blocking clients: one client, a crowd of them."""

from clients.client import Client

__all__ = ["Client"]

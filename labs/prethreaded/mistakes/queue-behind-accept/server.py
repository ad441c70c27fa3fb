"""Mistake: one thread accepts for all, and hands the connections over through a queue."""

from queue import Queue
from socket import socket
from threading import Thread

import threadserver

WORKERS = 8


def serve(server: threadserver.Server) -> None:
    """Put each client into a queue from which the workers take; while it is full, no client is accepted."""
    waiting: Queue[socket | None] = Queue(maxsize=WORKERS)

    def work() -> None:
        while connection := waiting.get():
            server.converse(connection)

    for _ in range(WORKERS):
        Thread(target=work, daemon=True).start()
    for connection in server.connections():
        waiting.put(connection)
    for _ in range(WORKERS):
        waiting.put(None)


if __name__ == "__main__":
    threadserver.main(serve)

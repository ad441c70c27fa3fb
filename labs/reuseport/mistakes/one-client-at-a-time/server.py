"""Mistake: each process serves one client at a time, and other clients in its queue have to wait."""

import os
from socket import SO_REUSEPORT

import threadserver
from threadserver.core.ports import SharedPort

WORKERS = 4


def serve(server: threadserver.Server) -> None:
    """Let every child listen at the same port and serve the clients in its queue; a child that dies is replaced."""
    port = SharedPort(server, SO_REUSEPORT)
    while server.children.wait_for_vacancy(WORKERS):
        if child := os.fork():
            server.children.add(child)
            port.leave()
        else:
            with server.as_child():
                port.join()
                for connection in server.connections():
                    server.converse(connection)


if __name__ == "__main__":
    threadserver.main(serve)

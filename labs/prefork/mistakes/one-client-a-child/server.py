"""Mistake: the children are made beforehand, but each serves one client only and ends; the parent makes a new one."""

import os

import threadserver

WORKERS = 6


def serve(server: threadserver.Server) -> None:
    """Keep a fixed number of children waiting for a client."""
    while server.children.wait_for_vacancy(WORKERS):
        if child := os.fork():
            server.children.add(child)
        else:
            with server.as_child():
                for connection in server.connections():
                    server.converse(connection)
                    break


if __name__ == "__main__":
    threadserver.main(serve)

"""A few processes, forked before any client came, with a few threads each; every thread calls accept() itself."""

import os
from threading import Thread

import threadserver

PROCESSES, THREADS = 3, 3


def serve(server: threadserver.Server) -> None:
    """Keep the processes, each with its threads."""

    def work() -> None:
        for connection in server.connections():
            server.converse(connection)

    while server.children.wait_for_vacancy(PROCESSES):
        if child := os.fork():
            server.children.add(child)
        else:
            with server.as_child():
                threads = [Thread(target=work) for _ in range(THREADS)]
                for thread in threads:
                    thread.start()
                for thread in threads:
                    thread.join()


if __name__ == "__main__":
    threadserver.main(serve)

"""Mistake: threads that were made beforehand, instead of processes."""

from threading import Thread

import threadserver

WORKERS = 8


def serve(server: threadserver.Server) -> None:
    """Let every thread be an iterative server on the same listening socket; the kernel wakes one for each client."""

    def work() -> None:
        for connection in server.connections():
            server.converse(connection)

    workers = [Thread(target=work, daemon=True) for _ in range(WORKERS)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()


if __name__ == "__main__":
    threadserver.main(serve)

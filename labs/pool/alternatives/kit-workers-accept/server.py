"""A pool on the kit: each of seven threads accepts for itself and converses."""

from threading import Thread

import threadserver

WORKERS = 7


def serve(server: threadserver.Server) -> None:
    """Let each worker be an iterative server; the listening socket is all that they share."""

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

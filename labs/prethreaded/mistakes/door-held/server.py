"""Mistake: the lock around accept() is held until the conversation is over, so that the others wait for its client."""

from threading import Lock, Thread

import threadserver

WORKERS = 4


def serve(server: threadserver.Server) -> None:
    """Let one thread at a time accept and converse."""
    door = Lock()

    def work() -> None:
        while not server.stopping:
            with door:
                if connection := server.accept():
                    server.converse(connection)

    workers = [Thread(target=work, daemon=True) for _ in range(WORKERS)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()


if __name__ == "__main__":
    threadserver.main(serve)

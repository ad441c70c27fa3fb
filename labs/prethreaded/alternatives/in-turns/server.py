"""Pre-threaded in turns: a lock is held while a thread is in accept(), and no longer (Stevens, 30.11)."""

from threading import Lock, Thread

import threadserver

WORKERS = 8


def serve(server: threadserver.Server) -> None:
    """Let one thread at a time wait for a client; a thread that has one lets the next in."""
    door = Lock()

    def work() -> None:
        while not server.stopping:
            with door:
                connection = server.accept()
            if connection:
                server.converse(connection)

    workers = [Thread(target=work, daemon=True) for _ in range(WORKERS)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()


if __name__ == "__main__":
    threadserver.main(serve)

"""Event loop on epoll, with a thread that writes a log entry for every turn; no client waits for it."""

import select
import sys
from queue import SimpleQueue
from threading import Thread

import threadserver

events: SimpleQueue[str] = SimpleQueue()


def log() -> None:
    """Write what happens, so that the loop does not wait for a terminal or a disk."""
    while True:
        print(events.get(), file=sys.stderr, flush=True)


def serve(server: threadserver.Server) -> None:
    """Ask the kernel which sockets are ready, and do what they are ready for."""
    Thread(target=log, daemon=True).start()
    interest = select.epoll()
    loop = threadserver.Loop(server, interest)
    for pause in loop.turns():
        ready = interest.poll(pause)
        events.put(f"{len(ready)} ready")
        for descriptor, what in ready:
            if what & ~select.EPOLLOUT:
                loop.read(descriptor)
            if what & ~select.EPOLLIN:
                loop.write(descriptor)


if __name__ == "__main__":
    threadserver.main(serve)

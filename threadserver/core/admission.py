"""Room: how many more connections may be open, counted over all processes of a server.

Forked children share no memory with their parent, but they share its descriptors. An eventfd that is a semaphore is a
number in the kernel: reading takes one from it, at once or not at all, and writing gives one back, eventfd(2).
"""

import os


class Room:
    """Room for ``most`` connections at once; None is room for any number."""

    def __init__(self, most: int | None) -> None:
        self.most = most
        self._semaphore = None if most is None else os.eventfd(most, os.EFD_SEMAPHORE | os.EFD_NONBLOCK)

    def enter(self) -> bool:
        """Take the room of one connection. False when there is none."""
        if self._semaphore is not None:
            try:
                os.eventfd_read(self._semaphore)
            except BlockingIOError:
                return False
        return True

    def leave(self) -> None:
        """Give the room of one connection back. Takes no lock, so a signal handler may do it."""
        if (semaphore := self._semaphore) is not None:
            os.eventfd_write(semaphore, 1)

    def close(self) -> None:
        """Close the semaphore; in a forked child the parent's goes on. A worker may leave later, and finds none."""
        semaphore, self._semaphore = self._semaphore, None
        if semaphore is not None:
            os.close(semaphore)

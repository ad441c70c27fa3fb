"""Mistake: every socket is always waited for to be readable or writable; one of both it nearly always is."""

import select

import threadserver

BOTH = select.POLLIN | select.POLLOUT


class Always:
    """Wait for both, whatever the loop asks for."""

    def __init__(self, table):
        self.table = table

    def register(self, descriptor, events):
        self.table.register(descriptor, BOTH)

    def modify(self, descriptor, events):
        self.table.modify(descriptor, BOTH)

    def unregister(self, descriptor):
        self.table.unregister(descriptor)


def serve(server: threadserver.Server) -> None:
    """Hand the kernel the whole table in each turn, and do what the ready sockets are ready for."""
    interest = select.poll()
    loop = threadserver.Loop(server, Always(interest))
    for pause in loop.turns():
        for descriptor, events in interest.poll(pause * 1000):  # milliseconds
            if events & ~select.POLLOUT:  # readable, or hung up, or failed
                loop.read(descriptor)
            if events & ~select.POLLIN:
                loop.write(descriptor)


if __name__ == "__main__":
    threadserver.main(serve)

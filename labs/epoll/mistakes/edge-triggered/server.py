"""Mistake: edge-triggered, but one recv() at each edge: what is left is never told again."""

import select

import threadserver


class Edges:
    """Add a flag for every client; the listening socket is left as it is."""

    def __init__(self, table, listener):
        self.table = table
        self.listener = listener.fileno()

    def register(self, descriptor, events):
        self.table.register(descriptor, events if descriptor == self.listener else events | select.EPOLLET)

    def modify(self, descriptor, events):
        self.table.modify(descriptor, events if descriptor == self.listener else events | select.EPOLLET)

    def unregister(self, descriptor):
        self.table.unregister(descriptor)


def serve(server: threadserver.Server) -> None:
    """Ask the kernel who of its table is ready, and do what the ready sockets are ready for."""
    with select.epoll() as interest:
        loop = threadserver.Loop(server, Edges(interest, server.listener))
        for pause in loop.turns():
            for descriptor, events in interest.poll(pause):
                if events & ~select.EPOLLOUT:  # readable, or hung up, or failed
                    loop.read(descriptor)
                if events & ~select.EPOLLIN:
                    loop.write(descriptor)


if __name__ == "__main__":
    threadserver.main(serve)

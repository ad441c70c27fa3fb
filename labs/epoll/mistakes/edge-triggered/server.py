"""Mistake: edge-triggered, but one recv() at each edge: what is left is never reported again."""

import select

import threadserver

EDGES = select.EPOLLET | select.EPOLLRDHUP


class Edges:
    """Set EPOLLET for every client; the listening socket is left as it is."""

    def __init__(self, table, listener):
        self.table = table
        self.listener = listener.fileno()

    def register(self, descriptor, events):
        self.table.register(descriptor, events if descriptor == self.listener else events | EDGES)

    def modify(self, descriptor, events):
        self.table.modify(descriptor, events if descriptor == self.listener else events | EDGES)

    def unregister(self, descriptor):
        self.table.unregister(descriptor)


def serve(server: threadserver.Server) -> None:
    """Ask the kernel which sockets in its table are ready, and do what they are ready for."""
    with select.epoll() as interest:
        loop = threadserver.Loop(server, Edges(interest, server.listener))
        for pause in loop.turns():
            for descriptor, events in interest.poll(pause):
                if events & ~select.EPOLLOUT:  # readable, or hung up, or failed
                    loop.read(descriptor)
                if events & select.EPOLLRDHUP:  # and the end after what was read
                    loop.read(descriptor)
                if events & ~select.EPOLLIN:
                    loop.write(descriptor)


if __name__ == "__main__":
    threadserver.main(serve)

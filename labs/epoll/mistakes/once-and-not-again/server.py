"""Mistake: EPOLLONESHOT, and the socket is never armed again."""

import select

import threadserver


class Once:
    """Add a flag for every client; the listening socket is left as it is."""

    def __init__(self, table, listener):
        self.table = table
        self.listener = listener.fileno()

    def register(self, descriptor, events):
        self.table.register(descriptor, events if descriptor == self.listener else events | select.EPOLLONESHOT)

    def modify(self, descriptor, events):
        self.table.modify(descriptor, events if descriptor == self.listener else events | select.EPOLLONESHOT)

    def unregister(self, descriptor):
        self.table.unregister(descriptor)


def serve(server: threadserver.Server) -> None:
    """Ask the kernel which sockets in its table are ready, and do what they are ready for."""
    with select.epoll() as interest:
        loop = threadserver.Loop(server, Once(interest, server.listener))
        for pause in loop.turns():
            for descriptor, events in interest.poll(pause):
                if events & ~select.EPOLLOUT:  # readable, or hung up, or failed
                    loop.read(descriptor)
                if events & ~select.EPOLLIN:
                    loop.write(descriptor)


if __name__ == "__main__":
    threadserver.main(serve)

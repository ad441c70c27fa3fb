"""Readiness with the kit's Loop and epoll: the kernel keeps the table of sockets and events."""

import select

import threadserver


def serve(server: threadserver.Server) -> None:
    """Ask the kernel which sockets are ready, and do for each what it is ready for."""
    with select.epoll() as epoll:
        loop = threadserver.Loop(server, epoll)
        for pause in loop.turns():
            for descriptor, events in epoll.poll(pause):
                if events & ~select.EPOLLOUT:
                    loop.read(descriptor)
                if events & ~select.EPOLLIN:
                    loop.write(descriptor)


if __name__ == "__main__":
    threadserver.main(serve)

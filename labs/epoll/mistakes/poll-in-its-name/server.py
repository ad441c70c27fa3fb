"""Mistake: select.epoll() has a method poll(), but this is select.poll()."""

import select

import threadserver


def serve(server: threadserver.Server) -> None:
    """Hand the kernel the whole table in each turn, and do what the ready sockets are ready for."""
    interest = select.poll()
    loop = threadserver.Loop(server, interest)
    for pause in loop.turns():
        for descriptor, events in interest.poll(pause * 1000):  # milliseconds
            if events & ~select.POLLOUT:  # readable, or hung up, or failed
                loop.read(descriptor)
            if events & ~select.POLLIN:
                loop.write(descriptor)


if __name__ == "__main__":
    threadserver.main(serve)

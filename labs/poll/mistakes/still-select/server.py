"""Mistake: it waits with select()."""

import select

import threadserver

FD_SETSIZE = 1024  # select() has one bit for each descriptor below, and none beyond


def serve(server: threadserver.Server) -> None:
    """Ask the kernel in each turn which of all the sockets are ready, and do what they are ready for."""
    loop = threadserver.Loop(server, descriptors=FD_SETSIZE)
    for pause in loop.turns():
        readable, writable, _ = select.select(loop.reading, loop.writing, [], pause)
        for descriptor in readable:
            loop.read(descriptor)
        for descriptor in writable:
            loop.write(descriptor)


if __name__ == "__main__":
    threadserver.main(serve)

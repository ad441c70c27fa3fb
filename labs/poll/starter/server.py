"""Lab poll: as it stands it waits with select(), which knows no descriptor from 1024 on. Let it wait in poll().

threadserver.Loop does what a ready socket is ready for. It also keeps the table of poll() up to date, when it is given
one: Loop(server, interest), where interest is what select.poll() has returned. It calls register(), modify() and
unregister() on it.
"""

import select

import threadserver

FD_SETSIZE = 1024  # select() has one bit for each descriptor below, and none beyond


def serve(server: threadserver.Server) -> None:
    """Ask the kernel which sockets are ready, all of them anew in each turn, and do what they are ready for."""
    loop = threadserver.Loop(server, descriptors=FD_SETSIZE)
    for pause in loop.turns():
        readable, writable, _ = select.select(loop.reading, loop.writing, [], pause)
        for descriptor in readable:
            loop.read(descriptor)
        for descriptor in writable:
            loop.write(descriptor)


if __name__ == "__main__":
    threadserver.main(serve)

"""Lab reuseport: as it stands it is one event loop in one process. Let several processes listen at the same port.

    port = SharedPort(server, SO_REUSEPORT)   before the first fork: sets the option on the listening socket there is
    port.leave()                              in the parent, after each fork: it has no listening socket any more
    port.join()                               in a child: have a listening socket of its own at the port
    with server.as_child():                   in a child, around all that it does: the process ends with this block
    server.children.add(child)                in the parent, after each fork
    server.children.lacking(WORKERS)          in the parent: waits until there are fewer children than that, and is True
                                              then; False when the server is to stop

from socket import SO_REUSEPORT, from threadserver.core.ports import SharedPort. Each process makes its own Loop.
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

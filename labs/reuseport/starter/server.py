"""Lab reuseport: for now it is one event loop in one process. Let several processes listen at the same port.

    port = SharedPort(server, SO_REUSEPORT)   before the first fork: sets the option on the existing listening socket
    port.leave()                              in the parent, after each fork: closes its listening socket
    port.join()                               in a child: opens its own listening socket at the port
    with server.as_child():                   in a child, around all that it does: the process ends with the block
    server.children.add(child)                in the parent, after each fork
    server.children.wait_for_vacancy(WORKERS) in the parent: waits until there are fewer children than that, and returns
                                              True; returns False when the server stops

from socket import SO_REUSEPORT, from threadserver.core.ports import SharedPort. Each process makes its own Loop.
"""

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

"""Lab prefork: as it stands one process serves one client after the other. Let several do so, made beforehand.

The kit does what is not the model:

    server.connections()               gives each client's connection as it is accepted; blocks in accept()
    server.converse(connection)        the whole conversation, HELLO included; raises nothing that its client has done
    with server.as_child():            in a child, around all that it does: the process ends with this block
    server.children.add(child)         in the parent, after each fork
    server.children.lacking(WORKERS)   in the parent: waits until there are fewer children than that, and is True then;
                                       False when the server is to stop
"""

import threadserver

WORKERS = 4


def serve(server: threadserver.Server) -> None:
    """Be an iterative server."""
    for connection in server.connections():
        server.converse(connection)


if __name__ == "__main__":
    threadserver.main(serve)

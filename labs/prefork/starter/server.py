"""Lab prefork: for now one process serves one client after the other. Let several do so, forked beforehand.

The kit does everything that is not the model:

    server.connections()          yields each client's connection as it is accepted; blocks in accept()
    server.converse(connection)   holds the whole conversation; raises no error for anything that the client does
    with server.as_child():       in a child, around everything that it does: the process ends with the block
    server.children.add(child)    in the parent, after each fork
    server.children.wait_for_vacancy(WORKERS)
                                  in the parent: waits until there are fewer children than that, and returns True;
                                  returns False when the server stops
"""

import threadserver

WORKERS = 4


def serve(server: threadserver.Server) -> None:
    """Be an iterative server."""
    for connection in server.connections():
        server.converse(connection)


if __name__ == "__main__":
    threadserver.main(serve)

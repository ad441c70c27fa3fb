"""A shared port: each forked child has a listening socket of its own, and all of them are bound to the same port.

Several sockets may be bound to one port when SO_REUSEPORT is set on all of them (socket(7)). The kernel then assigns
each client to one of them, by a hash of both addresses, and the client stays in that socket's own queue. So every
socket needs a process that accepts: a client in any other queue waits for ever. The server's own listening socket
exists before the first fork, and may have clients in its queue. It becomes the first child's, and the parent closes
its copy; every later child makes one of its own.

Local sockets have no ports. Their children all accept at the one socket that the parent has made.
"""

import socket

from threadserver.core.server import Server


class SharedPort:
    """The port of a server that forks. ``option`` is SO_REUSEPORT, which lets sockets share it."""

    def __init__(self, server: Server, option: int) -> None:
        self._server = server
        self._option = option
        self._shared = server.listener.family != socket.AF_UNIX
        if self._shared:
            server.listener.setsockopt(socket.SOL_SOCKET, option, 1)

    def leave(self) -> None:
        """In the parent, after each fork: close the listening socket, since the parent does not accept."""
        if self._shared:
            self._server.listener.close()

    def join(self) -> None:
        """In a child: get a listening socket of its own. Raises KitError when another program has taken the port."""
        if self._shared:
            self._server.own_listener(self._option)

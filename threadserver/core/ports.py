"""One port for many: forked children that have a listening socket each, all of them bound to the same port.

With SO_REUSEPORT set on every one of them, several sockets may be bound to one port (socket(7)). The kernel then gives
each client to one of them, by a hash of both addresses, and there it stays, in that socket's own queue. So there may
be no socket at which nobody accepts: who is sent there waits for ever. The server's own listening socket has been
there since before the first fork, with clients in its queue perhaps. It becomes the first child's, and the parent
closes its copy; all later children make one of their own.

Local sockets have no ports. There all children accept at the one socket that their parent has made.
"""

import socket

from threadserver.core.server import Server


class SharedPort:
    """The port of a server that forks. ``option`` is SO_REUSEPORT, by which a port is shared."""

    def __init__(self, server: Server, option: int) -> None:
        self._server = server
        self._option = option
        self._shared = server.listener.family != socket.AF_UNIX
        if self._shared:
            server.listener.setsockopt(socket.SOL_SOCKET, option, 1)

    def leave(self) -> None:
        """In the parent, after each fork: have no listening socket any more, for nobody accepts here."""
        if self._shared:
            self._server.listener.close()

    def join(self) -> None:
        """In a child: have a listening socket of its own. Raises KitError when somebody else has taken the port."""
        if self._shared:
            self._server.listen_apart(self._option)

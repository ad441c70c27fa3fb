"""Network namespaces: a server in a container has socket tables, and addresses, of its own.

Its tables can be read from /proc/PID/net/…, but only a socket that was *made* in its namespace reaches it. A process
joins a namespace for good, and an unprivileged process must have a single thread to do so (setns(2)). So a small helper
program joins, makes the sockets and hands them over (SCM_RIGHTS, unix(7)). They stay in the namespace where they were
made.
"""

import json
import os
import socket
import subprocess
import sys
from pathlib import Path

from threadserver.core.errors import KitError
from threadserver.kernel.eyes import as_owner
from threadserver.kernel.living import holder
from threadserver.kernel.processes import remedy

_HELPER = Path(__file__).with_name("joining.py")


def network_of(pid: int) -> int:
    """Return the number of a process's network namespace; 0 when we lack permission to see it."""
    try:
        with as_owner(pid):
            return os.stat(f"/proc/{holder(pid)}/ns/net").st_ino  # noqa: PTH116
    except OSError:
        return 0


class Network:
    """The network namespace of a process, or ours for None; makes sockets there. Use it in a ``with`` block."""

    def __init__(self, pid: int | None = None) -> None:
        own = network_of(os.getpid())
        self.pid = pid if pid is not None and network_of(pid) not in {own, 0} else None
        """A process of the other namespace; None when the namespace is our own."""
        self.number = network_of(self.pid) if self.pid else own
        self._helper: subprocess.Popen[bytes] | None = None
        self._channel: socket.socket | None = None

    def make_socket(self, family: int, kind: int, protocol: int = 0) -> socket.socket:
        """Return a new socket in the namespace. Raises KitError when we may not join it, OSError as socket() does."""
        if self.pid is None:
            return socket.socket(family, kind, protocol)
        if self._channel is None:
            self._channel = self._start()
        try:
            self._channel.send(json.dumps([int(family), int(kind), int(protocol)]).encode())
            message, descriptors, _, _ = socket.recv_fds(self._channel, 4096, 1)
        except OSError:
            message, descriptors = b"", []
        if not descriptors:
            why = message.decode() or "its helper has ended"
            raise KitError(f"cannot join the network namespace of process {self.pid}: {why}; {remedy()}")
        return socket.socket(family, kind, protocol, fileno=descriptors[0])

    def close(self) -> None:
        """End the helper. The sockets that it made stay open."""
        if self._channel:
            self._channel.close()
            self._channel = None
        if self._helper:
            self._helper.wait()
            self._helper = None

    def __enter__(self) -> "Network":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _start(self) -> socket.socket:
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        with theirs:
            pid = holder(self.pid) if self.pid else 0
            command = [sys.executable, "-I", "-S", str(_HELPER), str(pid), str(theirs.fileno())]
            self._helper = subprocess.Popen(command, pass_fds=[theirs.fileno()], stdin=subprocess.DEVNULL)
        return ours

"""The listening socket: steps 1 to 3, socket(), bind(), listen().

The file of a local socket outlives a server that was killed, and would then be "in use" for ever. So a file is replaced
when no server answers there, and left alone when one does.
"""

import errno
import os
import socket
import stat
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from threadserver.core.address import Address, Endpoint
from threadserver.core.errors import KitError, UsageError, reason

MakeSocket = Callable[[int, int, int], socket.socket]


def listen(
    address: Address, backlog: int, make_socket: MakeSocket = socket.socket, option: int | None = None
) -> socket.socket:
    """Create a socket, bind it to ``address`` and let it listen.

    ``backlog`` is how many established connections may wait for accept(); the kernel caps it at
    /proc/sys/net/core/somaxconn (listen(2)). Port 0 takes any free port.
    ``option`` is a socket option of socket(7) that is set before bind().
    Raises KitError when the machine refuses, UsageError when the address is not for a stream.
    """
    if address.scheme == "udp":
        raise UsageError(f"cannot listen on {address}: a datagram socket has no connections; use tcp:// or unix://")
    endpoint = address.resolve(passive=True)[0]
    listener = make_socket(endpoint.family, endpoint.type, endpoint.protocol)
    try:
        _prepare(listener, endpoint)
        if option is not None:
            listener.setsockopt(socket.SOL_SOCKET, option, 1)
        listener.bind(endpoint.sockaddr)
        listener.listen(backlog)
    except (OSError, OverflowError) as error:
        listener.close()
        raise KitError(_explain(address, error)) from error
    return listener


def file_of(listener: socket.socket) -> tuple[Path, int, int] | None:
    """Return the file of a local socket: its path, device and inode. None when it has no file."""
    if listener.family != socket.AF_UNIX:
        return None
    try:
        path = Path(os.fsdecode(listener.getsockname())).absolute()
        status = path.stat()
    except (OSError, ValueError):
        return None
    return path, status.st_dev, status.st_ino


def unlink(file: tuple[Path, int, int]) -> None:
    """Remove the file of a local socket, unless another file has taken its place."""
    path, device, inode = file
    with suppress(OSError):
        status = path.stat()
        if (status.st_dev, status.st_ino) == (device, inode):
            path.unlink()


def _prepare(listener: socket.socket, endpoint: Endpoint) -> None:
    if endpoint.family == socket.AF_UNIX:
        _replace_stale_file(endpoint)
        return
    # Bind even while connections of an earlier server are in TIME_WAIT: tcp(7), RFC 9293 section 3.6.1.
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    # Send each answer at once, even before the last one is acknowledged (no Nagle); connections inherit this.
    listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    if endpoint.family == socket.AF_INET6:
        listener.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)  # [::] takes IPv4 clients, too


def _replace_stale_file(endpoint: Endpoint) -> None:
    try:
        stale = stat.S_ISSOCK(os.lstat(endpoint.sockaddr).st_mode)
    except (OSError, ValueError):  # no file, or a name without one
        return
    with socket.socket(endpoint.family, endpoint.type) as probe:
        probe.setblocking(False)  # a listener whose queue is full is alive, too
        try:
            probe.connect(endpoint.sockaddr)
        except ConnectionRefusedError:
            if stale:
                Path(endpoint.sockaddr).unlink()
        except OSError:
            pass


def _explain(address: Address, error: OSError | OverflowError) -> str:
    if isinstance(error, OverflowError):
        return f"cannot listen on {address}: {error}"
    hint = ""
    if error.errno == errno.EADDRINUSE and address.scheme == "unix" and not Path(os.fsdecode(address.path)).is_socket():
        return f"cannot bind {address}: the file there is not a socket; try another path"
    if error.errno == errno.EACCES and address.scheme == "tcp":
        hint = f" (ports below 1024 need root); try {Address('tcp', address.host, 8080)}"
    elif error.errno == errno.EADDRINUSE:
        hint = "; is that server yours? Try another port, or port 0 for any free one"
        if address.scheme == "unix":
            hint = "; is that server yours? Try another path"
    elif error.errno == errno.EADDRNOTAVAIL:
        hint = " on this machine; try tcp://127.0.0.1:7000"
    return f"cannot bind {address}: {reason(error)}{hint}"

"""The helper of `namespaces`: joins the network namespace of a process, then makes sockets there on request.

This program runs by itself, without the rest of the kit: ``python joining.py PID CHANNEL``. It ends with its channel.
"""

import ctypes
import json
import os
import socket
import sys

CLONE_NEWUSER = 0x10000000
CLONE_NEWNET = 0x40000000


def join(pid: str) -> None:
    """Join the network namespace, through its user namespace if we lack permission from outside.

    Raises OSError when the kernel refuses.
    """
    libc = ctypes.CDLL(None, use_errno=True)
    network = os.open(f"/proc/{pid}/ns/net", os.O_RDONLY)
    user = os.open(f"/proc/{pid}/ns/user", os.O_RDONLY)
    if libc.setns(network, CLONE_NEWNET) == 0:
        return
    if libc.setns(user, CLONE_NEWUSER) != 0 or libc.setns(network, CLONE_NEWNET) != 0:
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))


def main() -> None:
    """Join, then answer each request with a socket, or with the reason why there is none."""
    channel = socket.socket(fileno=int(sys.argv[2]))
    failure = b""
    try:
        join(sys.argv[1])
    except OSError as error:
        failure = os.strerror(error.errno or 0).lower().encode()
    while request := channel.recv(4096):
        if failure:
            channel.send(failure)
            continue
        try:
            with socket.socket(*json.loads(request)) as made:
                socket.send_fds(channel, [b"made"], [made.fileno()])
        except OSError as error:
            channel.send(str(error).encode())


if __name__ == "__main__":
    main()

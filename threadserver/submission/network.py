"""A private network for a judge and the submissions that it starts: a loopback interface, and nothing else.

In a network of its own every judge can use the same port, no other program can connect, and no submission reaches the
outside world. The judge itself enters it, because an ordinary user cannot enter a submission's inner network later.
Buffers are small there, so that a server's ``send()`` blocks, or writes only a part, once about 30 000 bytes are unread
(measured; by default it is almost a megabyte). Every correct server must cope with that, and no check has to send
megabytes to see it. An answer of 16 KiB, the largest of the services, still fits.

This program runs by itself, without the rest of the kit: ``python network.py COMMAND …`` enters such a network and
becomes the command; if the machine does not allow it, it just becomes the command. A child tries first: Ubuntu since
23.10 lets an ordinary user make namespaces and then refuses every permission in them, and there is no way back.
"""

import ctypes
import fcntl
import os
import socket
import struct
import sys
from pathlib import Path

CLONE_NEWUSER, CLONE_NEWNET = 0x1000_0000, 0x4000_0000
SIOCSIFFLAGS, SIOCSIFMTU = 0x8914, 0x8922
IFF_UP, IFF_LOOPBACK = 0x1, 0x8
LOOPBACK = b"lo"
MTU = 1500  # bytes; loopback's own 65 536 would make whole answers out of single packets
BUFFERS = {"tcp_wmem": (4096, 16384, 16384), "tcp_rmem": (4096, 16384, 16384)}  # bytes: minimum, initial, maximum
_SETTINGS = Path("/proc/sys/net/ipv4")


def privately(command: list[str]) -> list[str]:
    """Return the command line that runs a command in a private network."""
    return [sys.executable, "-I", "-S", __file__, *command]


def private_network() -> bool:
    """Tell whether this process is in a private network, judging by what is there."""
    try:
        buffers = {name: tuple(map(int, (_SETTINGS / name).read_text().split())) for name in BUFFERS}
    except OSError:
        return False
    return buffers == BUFFERS and [name for _, name in socket.if_nameindex()] == [LOOPBACK.decode()]


def is_possible() -> bool:
    """Tell whether a private network can be entered, and works: a child enters one, and connects to itself there."""
    child = os.fork()
    if child == 0:
        try:
            enter()
            with socket.create_server(("127.0.0.1", 0)) as server, socket.create_connection(server.getsockname(), 5):
                os._exit(0)
        except OSError as error:
            print(f"no private network here: {error}", file=sys.stderr, flush=True)
        finally:
            os._exit(1)
    return os.waitpid(child, 0)[1] == 0


def enter() -> None:
    """Move this process, which must have a single thread, into a new private network. Raises OSError."""
    user, group = os.geteuid(), os.getegid()
    if user == 0:
        _unshare(CLONE_NEWNET)
    else:
        _unshare(CLONE_NEWUSER | CLONE_NEWNET)
        Path("/proc/self/setgroups").write_text("deny")
        Path("/proc/self/uid_map").write_text(f"{user} {user} 1")
        Path("/proc/self/gid_map").write_text(f"{group} {group} 1")
    _bring_up_loopback()
    for name, sizes in BUFFERS.items():
        (_SETTINGS / name).write_text(" ".join(map(str, sizes)))


def _unshare(what: int) -> None:
    if ctypes.CDLL(None, use_errno=True).unshare(what):
        raise OSError(ctypes.get_errno(), "cannot make a network namespace")


def _bring_up_loopback() -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as any_socket:
        fcntl.ioctl(any_socket, SIOCSIFMTU, struct.pack("16si20x", LOOPBACK, MTU))  # struct ifreq: netdevice(7)
        fcntl.ioctl(any_socket, SIOCSIFFLAGS, struct.pack("16sH22x", LOOPBACK, IFF_UP | IFF_LOOPBACK))


def main() -> None:
    """Enter a private network if possible, and become the command."""
    if is_possible():
        enter()
    os.execvp(sys.argv[1], sys.argv[1:])  # noqa: S606


if __name__ == "__main__":
    main()

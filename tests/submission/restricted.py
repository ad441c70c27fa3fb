"""Run a command on another kind of machine: ``python restricted.py KIND COMMAND …``, as root.

docker          Docker's default capabilities, and no system calls for namespaces and mounts (docs.docker.com, "seccomp
                security profiles"; capabilities(7); seccomp(2))
no-landlock     the same, and a kernel without Landlock
powerless       an ordinary user whose user namespaces can be made, and in which nothing can be written, as with
                Ubuntu's AppArmor since 23.10: Landlock keeps /proc from being written
no-loopback     a network namespace can be made, and its interface cannot be brought up
"""

import ctypes
import os
import platform
import struct
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[2]))  # any Python may run this
from threadserver.submission import keeper, network, view

KEPT = {0, 1, 3, 4, 5, 6, 7, 8, 10, 13, 18, 27, 29, 31}
"""Docker's default capabilities, chown to setfcap, by number."""
# unshare, mount, umount2, setns, pivot_root; clone with any namespace flag; clone3, whose flags no filter can read.
_REFUSED = {"x86_64": (272, 165, 166, 308, 155), "aarch64": (97, 40, 39, 268, 41)}
_CLONE = {"x86_64": 56, "aarch64": 220}
_CLONE3 = 435
_NAMESPACES = 0x7E02_0000
_ALLOW, _ERRNO = 0x7FFF_0000, 0x0005_0000
_EPERM, _ENOSYS = 1, 38
PR_CAPBSET_DROP, PR_SET_SECCOMP, SECCOMP_MODE_FILTER = 24, 22, 2
_LIBC = ctypes.CDLL(None, use_errno=True)


def forbid_namespaces() -> None:
    """Forbid this process, and all that it starts, to make namespaces. Needs CAP_SYS_ADMIN."""
    machine = platform.machine()
    program = [step for number in _REFUSED[machine] for step in (_unless(number, 1), _return(_ERRNO | _EPERM))]
    program += [_unless(_CLONE3, 1), _return(_ERRNO | _ENOSYS)]
    program += [_unless(_CLONE[machine], 3), _load(16), _unless_any(_NAMESPACES, 1), _return(_ERRNO | _EPERM)]
    _filter(program)


def forbid_landlock() -> None:
    """Act like a kernel without Landlock."""
    _filter([_unless(keeper.CREATE_RULESET, 1), _return(_ERRNO | _ENOSYS)])


def forbid_interfaces() -> None:
    """Refuse to bring a network interface up."""
    number = {"x86_64": 16, "aarch64": 29}[platform.machine()]
    _filter([_unless(number, 3), _load(24), _unless(network.SIOCSIFFLAGS, 1), _return(_ERRNO | _EPERM)])


def _filter(program: "list[bytes]") -> None:
    program = [_load(0), *program, _return(_ALLOW)]  # struct seccomp_data: number, architecture, pointer, arguments
    code = b"".join(program)
    buffer = ctypes.create_string_buffer(code)
    header = ctypes.create_string_buffer(struct.pack("HxxxxxxP", len(program), ctypes.addressof(buffer)))
    if _LIBC.prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, header):
        raise OSError(ctypes.get_errno(), "cannot set a filter")


def drop_capabilities(kept: "set[int]") -> None:
    """Drop all other capabilities, for this process and all that it starts."""
    with open("/proc/sys/kernel/cap_last_cap") as file:
        last = int(file.read())
    for number in set(range(last + 1)) - kept:
        _LIBC.prctl(PR_CAPBSET_DROP, number, 0, 0, 0)


def _load(offset: int) -> bytes:
    return struct.pack("HBBI", 0x20, 0, 0, offset)


def _unless(value: int, skipped: int) -> bytes:
    return struct.pack("HBBI", 0x15, 0, skipped, value)


def _unless_any(bits: int, skipped: int) -> bytes:
    return struct.pack("HBBI", 0x45, 0, skipped, bits)


def _return(value: int) -> bytes:
    return struct.pack("HBBI", 0x06, 0, 0, value)


def become_nobody() -> None:
    """Become an ordinary user."""
    os.setgroups([])
    os.setresgid(65_534, 65_534, 65_534)
    os.setresuid(65_534, 65_534, 65_534)


def main() -> None:
    """Restrict this process, and become the command."""
    kind, *command = sys.argv[1:]
    if kind in {"docker", "no-landlock"}:
        drop_capabilities(KEPT)
        forbid_namespaces()
    if kind == "no-landlock":
        forbid_landlock()
    if kind == "no-loopback":
        forbid_interfaces()
    if kind == "powerless":
        become_nobody()
        keeper.confine(["/"], [*view.SHARED, "/dev"])
    os.execvp(command[0], command)


if __name__ == "__main__":
    main()

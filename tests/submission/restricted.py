"""Run a command as Docker's default profile would: ``python restricted.py COMMAND …``, as root.

The rights that are left, and the system calls that are refused, are those that matter here: no namespaces, no mounts
(docs.docker.com, "seccomp security profiles"; capabilities(7); seccomp(2)). The filter is x86-64's and aarch64's.
"""

import ctypes
import os
import platform
import struct
import sys

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
    """Refuse the calls that make namespaces, to this process and all that it starts. Needs CAP_SYS_ADMIN."""
    machine = platform.machine()
    program = [_load(0)]  # struct seccomp_data: number, architecture, instruction pointer, arguments
    program += [step for number in _REFUSED[machine] for step in (_unless(number, 1), _return(_ERRNO | _EPERM))]
    program += [_unless(_CLONE3, 1), _return(_ERRNO | _ENOSYS)]
    program += [_unless(_CLONE[machine], 3), _load(16), _unless_any(_NAMESPACES, 1), _return(_ERRNO | _EPERM)]
    program += [_return(_ALLOW)]
    code = b"".join(program)
    buffer = ctypes.create_string_buffer(code)
    header = ctypes.create_string_buffer(struct.pack("HxxxxxxP", len(program), ctypes.addressof(buffer)))
    if _LIBC.prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, header):
        raise OSError(ctypes.get_errno(), "cannot set a filter")


def drop_capabilities(kept: "set[int]") -> None:
    """Leave what is started from here no other capabilities than these."""
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


if __name__ == "__main__":
    drop_capabilities(KEPT)
    forbid_namespaces()
    os.execvp(sys.argv[1], sys.argv[1:])

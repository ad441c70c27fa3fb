"""Do processes share one memory? Then they are threads by another name: clone(2) with CLONE_VM."""

import ctypes
import platform
from collections.abc import Iterable
from itertools import pairwise

from threadserver.kernel.eyes import as_owner
from threadserver.kernel.living import holder

_KCMP = {"x86_64": 312, "aarch64": 272}.get(platform.machine())
_MEMORY = 1  # KCMP_VM, kcmp(2)
_LIBC = ctypes.CDLL(None, use_errno=True)


def share_memory(pids: Iterable[int]) -> bool:
    """Tell whether any two neighbours of these processes share their memory; False where the kernel does not tell."""
    return any(_same(one, other) for one, other in pairwise(sorted(pids)))


def _same(one: int, other: int) -> bool:
    if _KCMP is None:
        return False
    with as_owner(one):
        return bool(_LIBC.syscall(_KCMP, holder(one), holder(other), _MEMORY, 0, 0) == 0)

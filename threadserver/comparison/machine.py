"""The machine, its kernel and limits, and the interpreter: what figures depend on apart from the server."""

import json
import os
import platform
import resource
import subprocess
import sys
from contextlib import suppress
from pathlib import Path
from typing import Any

import psutil

from threadserver.core.errors import UsageError, reason

_ASK = (
    "import json, platform, sys; print(json.dumps({"
    "'path': sys.executable, 'name': platform.python_implementation(), 'version': platform.python_version(), "
    "'gil': getattr(sys, '_is_gil_enabled', lambda: True)()}))"
)


def machine() -> dict[str, Any]:
    """Describe this machine."""
    uname = platform.uname()
    return {
        "processor": _processor(),
        "cores": sorted(os.sched_getaffinity(0)),
        "memory_bytes": psutil.virtual_memory().total,
        "kernel": f"{uname.system} {uname.release}",
        "architecture": uname.machine,
        "limits": limits(),
    }


def limits() -> dict[str, int | None]:
    """Return the limits that many connections meet first; None means no limit."""
    return {
        "descriptors": _bounded(resource.getrlimit(resource.RLIMIT_NOFILE)[0]),
        "tasks_of_user": _bounded(resource.getrlimit(resource.RLIMIT_NPROC)[0]),
        "tasks_of_machine": _number("/proc/sys/kernel/threads-max"),
        "process_ids": _number("/proc/sys/kernel/pid_max"),
        "backlog": _number("/proc/sys/net/core/somaxconn"),
    }


def load_average() -> list[float]:
    """Return the load average over 1, 5 and 15 minutes."""
    return [round(value, 2) for value in os.getloadavg()]


def interpreter(path: str = sys.executable) -> dict[str, Any]:
    """Ask an interpreter for its version, and whether it has a GIL. Raises UsageError if it does not work."""
    try:
        answer = subprocess.run([path, "-c", _ASK], capture_output=True, text=True, timeout=30, check=True).stdout
        found: dict[str, Any] = json.loads(answer)
    except OSError as error:
        raise UsageError(f"cannot run {path}: {reason(error)}") from error
    except (subprocess.SubprocessError, ValueError) as error:
        raise UsageError(f"{path} is not a working Python interpreter") from error
    if tuple(map(int, found["version"].split(".")[:2])) < (3, 11):
        raise UsageError(f"{path} is Python {found['version']}: the kit's servers need 3.11 or later")
    return found


def _processor() -> str:
    with suppress(OSError):
        for line in Path("/proc/cpuinfo").read_text(errors="replace").splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.machine()


def _bounded(limit: int) -> int | None:
    return None if limit == resource.RLIM_INFINITY else limit


def _number(path: str) -> int | None:
    with suppress(OSError, ValueError):
        return int(Path(path).read_text())
    return None

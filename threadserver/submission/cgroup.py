"""The limits that a container puts on everything in it: tasks and memory of the control group, cgroups(7).

Version 2 has one tree with ``pids.max`` and ``memory.max``; version 1 has a tree for each controller. The limit of a
group holds for all groups below it, so the tightest on the way up counts.
"""

import re
import resource
from collections.abc import Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

_UNLIMITED = 1 << 60  # version 1 writes a number near 2^63 where there is no limit


@dataclass(frozen=True, slots=True)
class Bound:
    """A limit, and how much of it is used."""

    most: int
    used: int

    @property
    def room(self) -> int:
        """How much is left."""
        return max(self.most - self.used, 0)


@dataclass(frozen=True, slots=True)
class Group:
    """The control group of this process, as the folders of each controller, from its own to the outermost."""

    tasks_folders: tuple[Path, ...]
    memory_folders: tuple[Path, ...]

    @property
    def tasks(self) -> Bound | None:
        """The tightest limit of tasks; None when there is none."""
        return _tightest(_bound(folder, ("pids.max",), ("pids.current",)) for folder in self.tasks_folders)

    @property
    def memory(self) -> Bound | None:
        """The tightest limit of memory, in bytes; file pages that can be dropped are not counted as used."""
        names = ("memory.max", "memory.limit_in_bytes"), ("memory.current", "memory.usage_in_bytes")
        found = ((folder, _bound(folder, *names)) for folder in self.memory_folders)
        return _tightest(Bound(one.most, max(one.used - _cached(folder), 0)) for folder, one in found if one)

    @property
    def kills_file(self) -> str:
        """The file that counts how many processes the kernel has killed because memory ran out; "" for none."""
        for folder in self.memory_folders:
            for name in ("memory.events", "memory.oom_control"):
                with suppress(OSError):
                    if re.search(r"^oom_kill \d+$", (folder / name).read_text(), re.MULTILINE):
                        return str(folder / name)
        return ""


def own_group(process: Path = Path("/proc/self")) -> Group:
    """Find this process's control group."""
    paths = {}
    for line in _lines(process / "cgroup"):
        _, controllers, path = line.split(":", 2)
        paths[controllers] = path
    mounts = list(_mounts(process))
    return Group(tuple(_folders("pids", paths, mounts)), tuple(_folders("memory", paths, mounts)))


def limit_of_tasks() -> int | None:
    """Return how many tasks one user may have: RLIMIT_NPROC, which also counts threads; None for any number."""
    most = resource.getrlimit(resource.RLIMIT_NPROC)[1]
    return None if most == resource.RLIM_INFINITY else most


def _mounts(process: Path) -> Iterator[tuple[str, str, str, set[str]]]:
    """Yield root, mount point, kind and options of each cgroup mount (proc(5), mountinfo)."""
    for line in _lines(process / "mountinfo"):
        before, _, after = line.partition(" - ")
        kind, _, options = after.split(" ", 2)
        if kind in {"cgroup", "cgroup2"}:
            root, point = before.split()[3:5]
            yield root, point, kind, set(options.split(","))


def _folders(controller: str, paths: dict[str, str], mounts: list[tuple[str, str, str, set[str]]]) -> Iterator[Path]:
    """Yield the folders of a controller, our own first."""
    for root, point, kind, options in mounts:
        of_v1 = next((path for names, path in paths.items() if controller in names.split(",")), None)
        path = of_v1 if kind == "cgroup" else paths.get("")
        if path is None or (kind == "cgroup" and controller not in options):
            continue
        inner = Path(path).relative_to(root) if Path(path).is_relative_to(root) else Path()
        own = Path(point) / inner
        while own.is_relative_to(point):
            yield own
            own = own.parent


def _tightest(bounds: "Iterable[Bound | None]") -> Bound | None:
    return min((one for one in bounds if one), key=lambda one: one.room, default=None)


def _bound(folder: Path, limits: tuple[str, ...], usages: tuple[str, ...]) -> Bound | None:
    most, used = _number(folder, limits), _number(folder, usages)
    return None if most is None or most >= _UNLIMITED else Bound(most, used or 0)


def _number(folder: Path, names: tuple[str, ...]) -> int | None:
    for name in names:
        with suppress(OSError, ValueError):  # "max" is none
            return int((folder / name).read_text())
    return None


def _cached(folder: Path) -> int:
    with suppress(OSError):
        found = re.search(r"^(?:total_)?inactive_file (\d+)$", (folder / "memory.stat").read_text(), re.MULTILINE)
        return int(found[1]) if found else 0
    return 0


def _lines(file: Path) -> list[str]:
    try:
        return file.read_text().splitlines()
    except OSError:
        return []

"""What a submission may use. Correct servers need a small part of it; wrong ones must not bring the machine down."""

import resource
from dataclasses import dataclass, replace
from functools import cache

from threadserver.submission.cgroup import limit_of_tasks, own_group
from threadserver.submission.machine_error import MachineError

MIB = 1 << 20
GIB = 1 << 30
LEAST_TASKS = 128
"""Tasks that a submission must be able to make: labs hold up to 60 clients, and some servers need 2 tasks for each."""
LEAST_MEMORY = 128 * MIB
_OUR_TASKS = 40  # the judge's own, including those that watch and trace, and those of a second server
_OUR_MEMORY = 64 * MIB  # bytes that the judge itself may still need


@dataclass(frozen=True, slots=True)
class Limits:
    """Sizes in bytes, times in seconds."""

    start: float = 20.0
    """Seconds within which a server must listen."""
    tasks: int = 512
    """Processes and threads together, of one submission."""
    memory: int = GIB
    """Memory of all processes together (PSS), measured ten times a second: a submission that uses more is ended."""
    data: int = 6 * GIB
    """Address space for data, of one process: each thread reserves 8 MiB of it for its stack."""
    processor: int = 120
    """Processor time of one process."""
    descriptors: int = 1024
    """Descriptors open at once, in one process; the default on Linux."""
    file: int = 64 * MIB
    """Size of one file."""
    temporary: int = 256 * MIB
    """Bytes of files in /tmp, and as many in /dev/shm; both are in memory."""
    disk: int = 256 * MIB
    """Bytes that a build may have written: a build that writes more is ended."""
    build: float = 60.0
    """Seconds for a build."""
    output: int = 16 * MIB
    """Bytes printed on standard output and standard error together: a submission that prints more is ended."""

    def fitted(self) -> "Limits":
        """Return these limits, reduced where the machine offers less."""
        tasks, memory = room()
        temporary = min(self.temporary, memory // 8)
        return replace(
            self,
            tasks=min(self.tasks, tasks),
            memory=min(self.memory, memory - 2 * temporary),
            temporary=temporary,
        )

    def as_command(self, tasks: int) -> list[str]:
        """Return the start of a command line that sets the limits of one process and its children: prlimit(1)."""
        wanted = {
            "nproc": (resource.RLIMIT_NPROC, tasks), "data": (resource.RLIMIT_DATA, self.data),
            "cpu": (resource.RLIMIT_CPU, self.processor), "nofile": (resource.RLIMIT_NOFILE, self.descriptors),
            "fsize": (resource.RLIMIT_FSIZE, self.file), "core": (resource.RLIMIT_CORE, 0),
        }  # fmt: skip
        return ["prlimit", *(f"--{name}={_at_most(*limit)}" for name, limit in wanted.items())]


def _at_most(kind: int, wanted: int) -> int:
    """Return the wanted limit, or our own if that is lower: only root may raise it."""
    ours = resource.getrlimit(kind)[1]
    return wanted if ours == resource.RLIM_INFINITY else min(wanted, ours)


@cache
def room() -> tuple[int, int]:
    """Return how many tasks and how many bytes of memory a submission could have here if we set no limits."""
    group = own_group()
    tasks = [bound.room - _OUR_TASKS for bound in [group.tasks] if bound]
    tasks += [most for most in [limit_of_tasks()] if most is not None]
    memory = [bound.room - _OUR_MEMORY for bound in [group.memory] if bound]
    return max(min(tasks, default=1 << 30), 1), max(min(memory, default=1 << 60), MIB)


def require_room() -> None:
    """Raise MachineError if a correct submission might get too little."""
    tasks, memory = room()
    if tasks < LEAST_TASKS:
        most = min(bound for bound in (tasks + _OUR_TASKS, limit_of_tasks()) if bound is not None)
        raise MachineError(
            f"only {most} more tasks (processes and threads) can be created here, but judging needs "
            f"{LEAST_TASKS + _OUR_TASKS}: raise pids.max of the control group (docker: --pids-limit 512) or ulimit -u"
        )
    if memory < LEAST_MEMORY:
        raise MachineError(
            f"only {(memory + _OUR_MEMORY) // MIB} MiB of memory are left here, but judging needs "
            f"{(LEAST_MEMORY + _OUR_MEMORY) // MIB}: raise memory.max of the control group (docker run --memory 1g)"
        )

"""What a submission may use. Right servers need a small part of it; wrong ones must not bring the machine down."""

import resource
from dataclasses import dataclass, replace
from functools import cache

from threadserver.submission.cgroup import limit_of_tasks, own_group
from threadserver.submission.machine_error import MachineError

MIB = 1 << 20
GIB = 1 << 30
LEAST_TASKS = 128
"""What a submission must be able to have: labs hold up to 60 clients at once, and some servers need two tasks each."""
LEAST_MEMORY = 128 * MIB
_OUR_TASKS = 40  # the judge's own, with what watches and traces, and those of a second server beside the first
_OUR_MEMORY = 64 * MIB  # bytes that the judge itself may still need


@dataclass(frozen=True, slots=True)
class Limits:
    """Sizes in bytes, times in seconds."""

    start: float = 20.0
    """To begin to listen in."""
    tasks: int = 512
    """Processes and threads together, of one submission."""
    memory: int = GIB
    """Of all processes together (PSS), looked at ten times a second: more, and all of it is ended."""
    data: int = 6 * GIB
    """Address space for data, of one process: each thread reserves 8 MiB of it for its stack."""
    processor: int = 120
    """Processor time of one process."""
    descriptors: int = 1024
    """Open at once, in one process; what Linux gives a program as it comes."""
    file: int = 64 * MIB
    """Size of one file."""
    temporary: int = 256 * MIB
    """Files in /tmp and in /dev/shm, each; in memory."""
    disk: int = 256 * MIB
    """What a build may have written: more, and it is ended."""
    build: float = 60.0
    """To be built in."""
    output: int = 16 * MIB
    """Said on standard output and standard error together: more, and all of it is ended."""

    def fitted(self) -> "Limits":
        """Return these limits, made smaller where the machine gives all of us together less."""
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
    """Keep to the limit that we have ourselves: only root may raise it."""
    ours = resource.getrlimit(kind)[1]
    return wanted if ours == resource.RLIM_INFINITY else min(wanted, ours)


@cache
def room() -> tuple[int, int]:
    """Return how many tasks and how many bytes of memory a submission can have here at most, without limits of ours."""
    group = own_group()
    tasks = [bound.room - _OUR_TASKS for bound in [group.tasks] if bound]
    tasks += [most for most in [limit_of_tasks()] if most is not None]
    memory = [bound.room - _OUR_MEMORY for bound in [group.memory] if bound]
    return max(min(tasks, default=1 << 30), 1), max(min(memory, default=1 << 60), MIB)


def require_room() -> None:
    """Raise MachineError where a right submission might get too little."""
    tasks, memory = room()
    if tasks < LEAST_TASKS:
        most = min(bound for bound in (tasks + _OUR_TASKS, limit_of_tasks()) if bound is not None)
        raise MachineError(
            f"only {most} more tasks (processes and threads) may be made here, and judging needs "
            f"{LEAST_TASKS + _OUR_TASKS}: raise pids.max of the control group (docker: --pids-limit 512) or ulimit -u"
        )
    if memory < LEAST_MEMORY:
        raise MachineError(
            f"only {(memory + _OUR_MEMORY) // MIB} MiB of memory are left here, and judging needs "
            f"{(LEAST_MEMORY + _OUR_MEMORY) // MIB}: raise memory.max of the control group (docker run --memory 1g)"
        )

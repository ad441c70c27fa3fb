"""What a submission may use. Right servers need a small part of it; wrong ones must not bring the machine down."""

import resource
from dataclasses import dataclass

MIB = 1 << 20
GIB = 1 << 30


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

    def as_command(self, tasks: int) -> list[str]:
        """Give the start of a command line that sets the limits of one process and its children: prlimit(1)."""
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

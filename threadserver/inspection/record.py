"""What an experiment leaves on record, for the witnesses to testify and the rules to judge."""

from dataclasses import dataclass, field

from threadserver.inspection.experiment import Sight
from threadserver.inspection.look import TaskId
from threadserver.inspection.pattern import Holder, Pattern


@dataclass
class Record:
    """What an experiment has shown."""

    baseline: Sight
    holds: list[Pattern] = field(default_factory=list)
    """One for each number of connections."""
    new_holders: dict[int, bool] = field(default_factory=dict)
    """Of each singly held connection: was its holder made after it was opened?"""
    grown: dict[int, tuple[int, int]] = field(default_factory=dict)
    """Tasks and processes for each number of connections held."""
    bounded: bool = False
    """True when connections were left waiting while others were served."""
    refused: bool = False
    """True when the server closed some of the connections, but not all."""
    spoken: Pattern | None = None
    asked: list[int] = field(default_factory=list)
    answered: list[int] = field(default_factory=list)
    companions: list[set[TaskId]] = field(default_factory=list)
    """Tasks beside the loops that moved, each time something was said; empty where a loop once did without."""
    alike: int = 0
    """So many threads of one name wait for a lock beside a loop."""
    dedicated: int = 0
    """How many connections left a loop for a task of their own when they were spoken on."""
    made: bool = False
    """True when those tasks had not been there before."""
    crew: int = 0
    """Tasks that wait as those do, under the same name but for a number: a loop's workers."""
    senders: set[TaskId] | None = None
    """Who sent the answers, where that could be traced."""
    trace: str = ""
    """Why it could not."""
    stayed: set[Holder] | None = None
    """Holders that were still there when every connection was closed; None: not tried."""
    fleeting: bool = False
    """True when those who stayed wait with a time-out: a cache of threads that will end, not a pool."""
    crowd: Pattern | None = None
    workers: dict[int, tuple[int, int | None]] = field(default_factory=dict)
    """Who said HELLO, by connection."""
    zombies: list[int] = field(default_factory=list)
    empty_loops: int = 0
    """Tasks that wait in epoll for nothing at all: loops that have been given no client yet."""

    @property
    def hold(self) -> Pattern:
        """The pattern with the most connections."""
        return self.holds[-1]

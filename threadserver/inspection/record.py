"""What an experiment leaves on record, for the witnesses to testify and the rules to judge."""

from dataclasses import dataclass, field

from threadserver.inspection.experiment import Sight
from threadserver.inspection.pattern import Holder, Pattern
from threadserver.kernel.task import TaskId


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
    hurried: bool = False
    """True when the time was up before the rounds were, so that only what was seen counts, not what was not."""
    spoken: Pattern | None = None
    asked: list[int] = field(default_factory=list)
    answered: list[int] = field(default_factory=list)
    companions: list[set[TaskId]] = field(default_factory=list)
    """Tasks beside the loops that moved, each time something was said; empty where a loop once did without."""
    births: list[bool] = field(default_factory=list)
    """Was a task made on this machine, each time something was said? Not only a server makes them."""
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
    woken: bool = False
    """True when the sender slept between request and answer, until another task woke it."""
    trace: str = ""
    """Why it could not be traced."""
    alone: Pattern | None = None
    """What was seen after two were asked while nobody else was there."""
    alone_answered: list[int] = field(default_factory=list)
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

    @property
    def suspect(self) -> bool:
        """True when those who wait for the connections need not be those who serve them.

        They only peek; or nobody waits for the next connection, though all were accepted: somebody accepts without
        waiting, and may serve so, too.
        """
        found = self.hold
        return found.peeked or (not self.bounded and bool(found.single) and not found.attended)

    @property
    def short_lived(self) -> bool:
        """True when a task may have been made each time, and have ended before anybody looked."""
        return bool(self.births) and all(self.births)

    @property
    def strangers(self) -> set[TaskId]:
        """Those who sent answers without having been seen to wait for the connections."""
        holders = self.hold.holders
        return {key for key in self.senders or () if key not in holders and (key[0], None) not in holders}

    @property
    def unanswered(self) -> list[int]:
        """Connections that were asked in vain while others were answered, and that are still open."""
        after = self.spoken.sight.accepted if self.spoken else []
        return [one for one in self.asked if self.answered and one not in self.answered and one in after]

    def kept(self) -> bool | None:
        """Tell whether a loop keeps the connections that have had their answer; None: that was not shown.

        False where they stay with those who served, or were closed though nobody else was there.
        """
        for found, answered in ((self.spoken, self.answered), (self.alone, self.alone_answered)):
            watched = [one for one in answered if found and found.sight.watchers(one)]
            if found and watched:
                return sum(self._is_elsewhere(found, one) for one in watched) * 2 >= len(watched)
        return False if self.alone_answered and self.alone and not self.alone.sight.accepted else None

    def _is_elsewhere(self, found: Pattern, number: int) -> bool:
        """Tell whether a connection is waited for by none of those who served, but by one that waits for readiness."""
        return all(task.watches and task.id not in self.hold.holders for task in found.sight.watchers(number))

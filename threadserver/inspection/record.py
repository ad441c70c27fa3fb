"""What an experiment leaves on record: the witnesses testify from it, and the rules judge by it."""

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
    """For each connection that one task holds: was the task made after the connection was opened?"""
    grown: dict[int, tuple[int, int]] = field(default_factory=dict)
    """Tasks and processes for each number of connections held."""
    bounded: bool = False
    """True when connections were left waiting while others were served."""
    refused: bool = False
    """True when the server closed some of the connections, but not all."""
    hurried: bool = False
    """True when time ran out before the last round: then what was not seen proves nothing."""
    spoken: Pattern | None = None
    asked: list[int] = field(default_factory=list)
    answered: list[int] = field(default_factory=list)
    companions: list[set[TaskId]] = field(default_factory=list)
    """Tasks other than the loops that ran each time something was sent; empty if a loop once managed without them."""
    births: list[bool] = field(default_factory=list)
    """Was a task made on this machine, each time something was sent? Other programs make tasks too."""
    alike: int = 0
    """How many threads of one name wait for a lock beside a loop."""
    dedicated: int = 0
    """How many connections moved from a loop to a task of their own when something was sent on them."""
    made: bool = False
    """True when those tasks were new."""
    crew: int = 0
    """How many tasks wait in the same way, under the same name except for a number: a loop's workers."""
    senders: set[TaskId] | None = None
    """The tasks that sent the answers, if that could be traced."""
    woken: bool = False
    """True when the sender slept between request and answer, until another task woke it."""
    trace: str = ""
    """Why tracing was impossible."""
    alone: Pattern | None = None
    """What was seen after a request on two connections while there were no others."""
    alone_answered: list[int] = field(default_factory=list)
    stayed: set[Holder] | None = None
    """Holders that were still there after every connection was closed; None: not tried."""
    fleeting: bool = False
    """True when the remaining threads wait with a time-out: a cache of threads that will end, not a pool."""
    crowd: Pattern | None = None
    workers: dict[int, tuple[int, int | None]] = field(default_factory=dict)
    """The worker that HELLO names, by connection."""
    zombies: list[int] = field(default_factory=list)
    empty_loops: int = 0
    """How many tasks wait in epoll for nothing at all: loops that have no client yet."""

    @property
    def hold(self) -> Pattern:
        """The pattern with the most connections."""
        return self.holds[-1]

    @property
    def suspect(self) -> bool:
        """True when the tasks that wait for the connections need not be those that serve them.

        Either they only peek, or no task waits for the next connection although all were accepted: then some task
        accepts without waiting, and may also serve without waiting.
        """
        found = self.hold
        return found.peeked or (not self.bounded and bool(found.single) and not found.attended)

    @property
    def short_lived(self) -> bool:
        """True when a task may have been made each time, and may have ended before the next look."""
        return bool(self.births) and all(self.births)

    @property
    def strangers(self) -> set[TaskId]:
        """The tasks that sent answers, but were not seen to wait for the connections."""
        holders = self.hold.holders
        return {key for key in self.senders or () if key not in holders and (key[0], None) not in holders}

    @property
    def unanswered(self) -> list[int]:
        """Connections that got no answer while others did, and that are still open."""
        after = self.spoken.sight.accepted if self.spoken else []
        return [one for one in self.asked if self.answered and one not in self.answered and one in after]

    def kept(self) -> bool | None:
        """Tell whether a loop keeps the connections that have been answered; None: that was not seen.

        False if they stay with the tasks that served them, or were closed although there were no other clients.
        """
        for found, answered in ((self.spoken, self.answered), (self.alone, self.alone_answered)):
            watched = [one for one in answered if found and found.sight.watchers(one)]
            if found and watched:
                return sum(self._is_elsewhere(found, one) for one in watched) * 2 >= len(watched)
        return False if self.alone_answered and self.alone and not self.alone.sight.accepted else None

    def _is_elsewhere(self, found: Pattern, number: int) -> bool:
        """Tell whether only tasks that wait for readiness, and that did not serve, wait for a connection."""
        return all(task.watches and task.id not in self.hold.holders for task in found.sight.watchers(number))

"""The submission's server on trial: the fixture ``server`` of a rubric.

A check lets clients come, talk, stall and leave, and looks inside the server. It shares nothing with the submission: it
has only an address and the kernel's tables.
"""

import random
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from threadserver.judge import observing
from threadserver.judge.patience import Patience
from threadserver.judge.peer import Peer
from threadserver.judge.program import Program, Start
from threadserver.judge.serving import Serving
from threadserver.judge.transcript import Transcript
from threadserver.kernel.namespaces import Network
from threadserver.kernel.sockets import Tables

AT_A_TIME = 6
"""How many clients of a crowd connect before the first of them confirms."""


class Trial(Program):
    """A submission's running server, with the judge's clients. ``model`` is the model that the lab asks for, if any."""

    def __init__(
        self, start: Start, transcript: Transcript, tables: Tables, model: str = "", patience: Patience | None = None
    ) -> None:
        super().__init__(start, transcript, tables, patience or Patience())
        self.model = model
        self.random = random.Random()  # noqa: S311
        """The source of numbers and orders that no submission can know in advance; a verdict seeds it."""
        self.many_lines = True
        """False once it is known that several lines at once are not answered: the model loses no points for that."""
        self.everywhere: Start | None = None
        """Starts the same program once more, to listen at every address of the machine."""

    # Clients.

    def connect(self, *, small_buffer: bool = False) -> Peer:
        """Let a client connect, and nothing more."""
        peer = Peer(self, len(self.clients) + 1, small_buffer=small_buffer)
        self.clients.append(peer)
        return peer

    def greet(self, *, small_buffer: bool = False) -> Peer:
        """Let a client connect, expect HELLO, and confirm."""
        return self.connect(small_buffer=small_buffer).greet()

    def hold(self, count: int) -> list[Peer]:
        """Let ``count`` clients connect and confirm, a few at a time; all stay.

        Only a few at a time: so more than 1 client reveals a hold-up, but no time limit of the server runs out because
        the judge is late. They come to a server at rest, so that it has gone into the background and has started its
        workers.
        """
        self.settle()
        peers: list[Peer] = []
        while len(peers) < count:
            few = [self.arrive() for _ in range(min(AT_A_TIME, count - len(peers)))]
            peers += [peer.greet() for peer in few]
        return peers

    def arrive(self) -> Peer:
        """Let a client connect, and note which tasks were there before."""
        known = self.task_ids()
        peer = self.connect()
        peer.known = known
        return peer

    def come_and_go(self, count: int, leave: Callable[[Peer], None] = Peer.close) -> None:
        """Let ``count`` clients come one after another, send a line, get its answer, and leave."""
        for number in range(self.fewer(count)):
            peer = self.greet()
            peer.ask(b"visitor %d" % number)
            leave(peer)

    def fewer(self, count: int) -> int:
        """Return how many of a crowd of ``count`` come: fewer to a server that never rests, where each takes long."""
        return -(-count // 4) if self.patience.restless else count

    def ask_in_any_order(self, peers: list[Peer], rounds: int = 1) -> None:
        """Let each client send a line and get its answer, in a random order in each round, while all others stay."""
        observing.ask_in_any_order(peers, self.random, rounds)

    def some(self, least: int, most: int) -> int:
        """Draw a number of clients."""
        return self.random.randint(least, most)

    @contextmanager
    def listening_everywhere(self) -> Iterator["Trial"]:
        """Start the submission a second time, with the HOST 0.0.0.0; stop it afterwards."""
        assert self.everywhere is not None  # noqa: S101
        self.transcript.note("server", "is started a second time, with HOST 0.0.0.0")
        other = Trial(self.everywhere, self.transcript, self._tables, self.model, self.patience)
        try:
            yield other
        finally:
            other.close()

    # Which task serves which client.

    def serving(self, peers: list[Peer]) -> Serving:
        """Find out which task serves each of these clients, which are held and confirmed."""
        return observing.observe(self, peers, self.random, self.model, self.many_lines)

    def served_in_turn(self, count: int) -> Serving:
        """Find out which task serves each of ``count`` clients that come one after another."""
        seen = []
        for _ in range(count):
            (peer,) = self.hold(1)
            seen.append(self.serving([peer]))
            peer.close()
        return Serving.one_after_another(seen)

    def accepting(self, come: Callable[[], list[Peer]]) -> tuple[list[Peer], observing.Accepted]:
        """Let clients come, and return them with the task that accepted each."""
        return observing.accepting(self, come)

    def must_greet_by_new(self, what: str) -> None:
        """Expect that HELLO is sent by a task that was made for the client; ``what`` names it: thread, process.

        Where nothing can be traced, the check passes.
        """
        peer, found = observing.greeters(self, self.arrive)
        if old := found & peer.known:
            names = ", ".join(map(self.situation().name_of, sorted(old)))
            before = f"{names}, which existed before it came"
            raise peer.wrong(f"{peer.name} was greeted by {before}: its own {what} must send HELLO")


@contextmanager
def on_trial(
    start: Start, transcript: Transcript, model: str = "", patience: Patience | None = None
) -> Iterator[Trial]:
    """Start a submission's server and put it on trial; in the end stop all its processes."""
    with Network() as network, Tables(network) as tables:
        trial = Trial(start, transcript, tables, model, patience)
        try:
            yield trial
        finally:
            trial.close()

"""The submission's server on trial: what the fixture ``server`` of a rubric is.

A check starts it anew, lets clients come, talk, stall and leave, and looks inside. It owns nothing that the submission
can reach: there is an address, and there are the kernel's tables.
"""

import os
import random
import signal
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import AbstractContextManager, contextmanager, suppress
from dataclasses import dataclass
from itertools import count

from threadserver.core.address import Address
from threadserver.judge.diagnosis import suspicion
from threadserver.judge.observing import greeters, observe, observe_in_turn
from threadserver.judge.peer import Peer
from threadserver.judge.serving import Serving
from threadserver.judge.situation import Situation, descriptors, held_by, inner_ids
from threadserver.judge.stillness import PAUSE, SETTLED, Stillness
from threadserver.judge.transcript import Transcript
from threadserver.kernel.look import Look
from threadserver.kernel.namespaces import Network
from threadserver.kernel.processes import tasks
from threadserver.kernel.sockets import Socket, Tables
from threadserver.kernel.task import TaskId
from threadserver.submission.server_program import Running, how

AT_A_TIME = 6
"""So many clients of a crowd connect before the first of them confirms."""
CHANCES = 10
"""So often it is asked whether something was read before the tasks themselves are looked at."""

Start = Callable[[], AbstractContextManager[Running]]


@dataclass(frozen=True, slots=True)
class Possessions:
    """How much a server holds: what has to be as before when its clients have gone."""

    descriptors: int
    tasks: int
    processes: int
    zombies: int

    def grown_beyond(self, before: "Possessions", allowed: int) -> str:
        """Say what has grown by more than is allowed, and to what; nothing when nothing has."""
        grown = []
        for what in ("descriptors", "processes", "tasks", "zombies"):
            was, now = getattr(before, what), getattr(self, what)
            if now > was + allowed:
                grown.append(f"{now} {'threads' if what == 'tasks' else what} (before: {was})")
        return ", ".join(grown)


class Trial:
    """A submission's server, running, with the judge's clients."""

    def __init__(self, start: Start, transcript: Transcript, tables: Tables) -> None:
        self.transcript = transcript
        self.peers: list[Peer] = []
        self.random = random.Random()  # noqa: S311
        """Numbers and orders that no submission can know beforehand."""
        self._start = start
        self._tables = tables
        self._context = start()
        self._running = self._context.__enter__()

    # Clients.

    def connect(self, *, small_buffer: bool = False) -> Peer:
        """Let a client connect, and nothing more."""
        peer = Peer(self, len(self.peers) + 1, small_buffer=small_buffer)
        self.peers.append(peer)
        return peer

    def greet(self, *, small_buffer: bool = False) -> Peer:
        """Let a client connect, expect HELLO, and confirm."""
        return self.connect(small_buffer=small_buffer).greet()

    def hold(self, count: int) -> list[Peer]:
        """Let so many clients connect and confirm, a few at a time; all stay.

        A few: who is held up then shows by more than one, and no server's limit runs out because the judge was late.
        They come to a server at rest: who listens may still be on its way into the background, or make its workers.
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
        """Let clients come one after another, say a line, get its answer, and leave."""
        for number in range(count):
            peer = self.greet()
            peer.ask(b"visitor %d" % number)
            leave(peer)

    def ask_in_any_order(self, peers: list[Peer], rounds: int = 1) -> None:
        """Let each of the clients say a line and get its answer, in an order drawn anew, while all others stay."""
        for number in range(rounds):
            for peer in self.random.sample(peers, len(peers)):
                peer.ask(b"round %d of client %d: %d" % (number + 1, peer.number, self.random.randrange(10**9)))

    def some(self, least: int, most: int) -> int:
        """Draw how many clients come."""
        return self.random.randint(least, most)

    # The server.

    @property
    def address(self) -> Address:
        """Where it listens."""
        return self._running.address

    @property
    def ended(self) -> int | None:
        """Its exit code, once none of it is left; a daemon lives on when the process that was started has ended."""
        code = self._running.ended()
        if code is None or any(self._alive() for _ in range(3)):  # a look may miss each of its two forks
            return None
        return code

    def _alive(self) -> bool:
        return any(one.state != "Z" for one in self._running.members().values())

    @property
    def ending(self) -> str:
        """Say how it ended, and what it said last."""
        said = self._running.output().strip()
        over = self._running.over_limit
        ended = f"{how(self.ended)}, for it {over}" if over else how(self.ended)
        return ended + (f"; it said:\n{said[-1500:]}" if said else ", and it said nothing")

    def restart(self, killed: Callable[[], None]) -> None:
        """Kill it, whole, and start it again at once on the same port; ``killed`` is called in between."""
        self.transcript.note("server", "is killed, and started again on the same port")
        self._context.__exit__(None, None, None)
        killed()
        self._context = self._start()
        self._running = self._context.__enter__()

    def close(self) -> None:
        """End it all: clients first, so that no connection is left behind."""
        for peer in self.peers:
            peer.socket.close()
        self._context.__exit__(None, None, None)

    @contextmanager
    def stopped(self, pids: Iterable[int]) -> Iterator[None]:
        """Stop some of its processes for the length of the block: what happens meanwhile comes to them all at once."""
        try:
            for pid in pids:
                _signal(pid, signal.SIGSTOP)
            yield
        finally:
            for pid in pids:
                _signal(pid, signal.SIGCONT)

    # What the kernel shows.

    def members(self) -> list[int]:
        """Every process of the submission."""
        return list(self._running.members())

    def task_ids(self) -> frozenset[TaskId]:
        """Every task of the submission that can still run, by process and thread: no zombies."""
        living = (pid for pid, one in self._running.members().items() if one.state != "Z")
        return frozenset((pid, tid) for pid in living for tid in tasks(pid))

    def look(self) -> Look:
        """Look at its tasks once."""
        look = self._running.look()
        listeners = frozenset(one.inode for one in self._sockets() if one.listens and one.inode)
        return Look(look.processes, look.tasks, listeners)

    def await_read(self, peer: Peer) -> None:
        """Wait until the server has read what a client sent; one that stands still and does not read is left to it."""
        stillness = Stillness(self.members)
        for chance in count():
            end = self._tables.stream(self.address, peer.address)
            if end is None or not (end.queued or end.receive_queue):
                return
            if chance > CHANCES and stillness.look() >= SETTLED:
                return
            time.sleep(PAUSE / 25)

    def waits_in_backlog(self, peer: Peer) -> bool:
        """Tell whether a client is connected for the kernel, and the server has not accepted it."""
        end = self._tables.stream(self.address, peer.address)
        return end is not None and end.queued

    def settle(self) -> None:
        """Wait until the server has worked on everything that it was sent."""
        Stillness(self.members).settle()

    def situation(self) -> Situation:
        """Look at everything at once."""
        look = self.look()
        ends = self.ends()
        return Situation(look, ends, self.inner_ids(look), held_by(ends, look.processes))

    def ends(self) -> dict[int, Socket]:
        """Find the server's end of each client's connection."""
        mine = {peer.port: peer.number for peer in self.peers if peer.socket.fileno() >= 0}
        return {mine[one.peer_port]: one for one in self._sockets() if not one.listens and one.peer_port in mine}

    def inner_ids(self, look: Look) -> dict[TaskId, TaskId]:
        """Read which numbers the submission itself knows its tasks by."""
        zombies = ((pid, pid) for pid in look.zombies)
        return inner_ids([*look.tasks, *zombies])

    def may_wait(self) -> bool:
        """Tell whether one more client finds room in the accept queue, whose length listen() was told."""
        listeners = [one for one in self._sockets() if one.listens]
        return not self._tables.complete or all(one.receive_queue <= one.send_queue for one in listeners)

    def possessions(self) -> Possessions:
        """Count what it holds."""
        look = self.look()
        living = [pid for pid in look.processes if pid not in look.zombies]
        return Possessions(descriptors(living), len(look.tasks), len(living), len(look.zombies))

    def serving(self, peers: list[Peer]) -> Serving:
        """Find out who serves each of these clients, who are held and confirmed."""
        return observe(self, peers)

    def must_greet_by_new(self, what: str) -> None:
        """Expect that HELLO is sent by a task that was made for the client; ``what`` names it: thread, process.

        Where nothing can be traced nobody is blamed.
        """
        peer, found = greeters(self)
        if old := found & peer.known:
            names = ", ".join(map(self.situation().name_of, sorted(old)))
            before = f"{names}, which was there before it came"
            raise peer.wrong(f"{peer.name} was greeted by {before}: its own {what} has to send HELLO")

    def served_in_turn(self, count: int) -> Serving:
        """Find out who serves so many clients that come one after another."""
        return observe_in_turn(self, count)

    def explain(self, peer: Peer) -> tuple[str, str]:
        """Say which bug it looks like when a client waits in vain, and what the kernel shows."""
        if self.ended is not None:
            return "", f"no process is left, it ended {self.ending}"
        situation = self.situation()
        return suspicion(situation, peer.number), situation.text()

    def _sockets(self) -> list[Socket]:
        """Give the sockets of the server's port: its listening socket, and its ends of connections."""
        return self._tables.at(self.address.port)


@contextmanager
def on_trial(start: Start, transcript: Transcript) -> Iterator[Trial]:
    """Start a submission's server and put it on trial; in the end it is stopped whole."""
    with Network() as network, Tables(network) as tables:
        trial = Trial(start, transcript, tables)
        try:
            yield trial
        finally:
            trial.close()


def _signal(pid: int, number: int) -> None:
    with suppress(ProcessLookupError):
        os.kill(pid, number)

"""A crowd: many blocking clients at once, one thread each, and which worker served which client."""

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from threading import Barrier, BrokenBarrierError, Thread

from threadserver.clients.client import Client
from threadserver.core.address import Address
from threadserver.core.errors import KitError, reason
from threadserver.core.trace import Recorder


@dataclass
class Member:
    """One client of the crowd, and its result."""

    number: int
    client: str = ""
    """Its own address, as the server described it."""
    connection: int | None = None
    worker: str | None = None
    """The worker that served it; None without confirmation."""
    answers: int = 0
    failure: str | None = None


@dataclass(frozen=True)
class Crowd:
    """Which worker served which client."""

    members: list[Member]

    @property
    def workers(self) -> Counter[str]:
        """How many clients each worker served."""
        return Counter(member.worker for member in self.members if member.worker)

    @property
    def failures(self) -> Counter[str]:
        """How many clients failed, by reason."""
        return Counter(member.failure for member in self.members if member.failure)


def converse(
    address: Address | str,
    clients: int,
    lines: int,
    *,
    confirm: bool = True,
    timeout: float | None = 30.0,
    recorder: Recorder | None = None,
    done: Callable[[], None] = lambda: None,
) -> Crowd:
    """Let ``clients`` clients connect at the same time, send ``lines`` lines each, and leave.

    ``timeout`` is in seconds, for each connection and answer; ``done`` is called each time a client has finished.
    When a client fails its member says why, and the others go on.
    """
    together = Barrier(clients)
    members = [Member(number) for number in range(1, clients + 1)]

    def one(member: Member) -> None:
        try:
            together.wait()
            with Client(address, confirm=confirm, timeout=timeout, recorder=recorder) as client:
                _talk(member, client, lines)
        except BrokenBarrierError:
            member.failure = "not started: no thread left for the whole crowd"
        except TimeoutError:
            member.failure = f"no answer within {timeout:g} s"
        except (KitError, OSError) as error:
            member.failure = reason(error) if isinstance(error, OSError) else str(error)
        done()

    threads = [Thread(target=one, args=(member,), name=f"member {member.number}", daemon=True) for member in members]
    try:
        for thread in threads:
            thread.start()
    except RuntimeError:
        together.abort()
    for thread in threads:
        if thread.ident is not None:
            thread.join()
    return Crowd(members)


def _talk(member: Member, client: Client, lines: int) -> None:
    if client.hello:
        member.client, member.worker = client.hello.client, client.hello.worker
        member.connection = client.hello.connection
    for line in range(1, lines + 1):
        client.ask(b"client %d line %d" % (member.number, line))
        member.answers += 1

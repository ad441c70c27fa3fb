"""What a judge could do on this machine, found by doing it: a program that ``doctor`` runs where a judge would run.

It starts a small server in every containment that works, in a private network, and inspects it as a judge does. It
prints one JSON object.
"""

import json
import socket
import sys
import time
from dataclasses import asdict, dataclass

from threadserver.core.errors import KitError
from threadserver.kernel.call_trace import every_call
from threadserver.kernel.calls import numbers_are_true
from threadserver.kernel.namespaces import Network
from threadserver.kernel.processes import tasks
from threadserver.kernel.sockets import Tables
from threadserver.submission import place
from threadserver.submission.containment import ALL, SELF_CHECK, Containment, strongest, why_not
from threadserver.submission.folder import find
from threadserver.submission.network import private_network
from threadserver.submission.preparing import prepared
from threadserver.submission.server_program import Running, running
from threadserver.submission.temporary import own_folder

SERVER = """
import socket, sys
listener = socket.create_server((sys.argv[1], int(sys.argv[2])))
while True:
    listener.accept()
"""
TRACED = 5.0  # seconds within which a call of the server should have been seen
PAUSE = 0.002  # seconds between two looks


@dataclass
class Probe:
    """What was found."""

    why_not: dict[str, str]
    """Why each containment does not work; empty for one that does."""
    private_network: bool
    may_mount: bool
    netlink: bool
    """True when the kernel gives its socket tables over netlink."""
    start: float = 0.0
    """Seconds from the start of a contained Python server until it was seen to listen."""
    stop: float = 0.0
    """Seconds until all its processes had ended."""
    call: str = ""
    """The call that its task is blocked in, if that may be seen."""
    call_seen: bool = False
    numbers: bool = True
    """False when /proc shows the system calls of another machine."""
    refusal: str = ""
    """Why nothing can be judged here; empty when judging is possible."""
    tracing: str = ""
    """Why system calls cannot be traced; nothing when they can."""
    problem: str = ""


def probe() -> Probe:
    """Try everything, and return what was found."""
    with Network() as network, Tables(network) as tables:
        found = Probe(
            {one.name: why_not(one) for one in ALL}, private_network(), place.may_mount(), tables.complete
        )  # fmt: skip
    found.numbers = numbers_are_true()
    try:
        chosen = strongest()
    except KitError as error:
        found.refusal = str(error)
        chosen = next((one for one in ALL if not why_not(one)), SELF_CHECK)
    if not why_not(chosen):
        try:
            _run(chosen, found)
        except KitError as error:
            found.problem = str(error)
    return found


def _run(containment: Containment, found: Probe) -> None:
    with own_folder("probe") as folder:
        (folder / "server.py").write_text(SERVER)
        with prepared(find(folder), containment) as ready:
            begun = time.monotonic()
            with running(ready) as server:
                found.start = time.monotonic() - begun
                _look(server, found)
                ending = time.monotonic()
            found.stop = time.monotonic() - ending


def _look(server: Running, found: Probe) -> None:
    calls = [task.call for task in server.look().tasks.values()]
    found.call = str(calls[0]) if calls else ""
    found.call_seen = any(call.descriptors for call in calls)
    found.tracing = _traced(server)


def _traced(server: Running) -> str:
    """Trace the server while it accepts a client. Return why that was not seen; nothing when it was."""
    with (
        every_call(lambda: [(pid, tid) for pid in server.members() for tid in tasks(pid)]) as calls,
        socket.create_connection((server.address.host, server.address.port)),
    ):
        deadline = time.monotonic() + TRACED
        while not calls.problem and not calls.accepted and time.monotonic() < deadline:
            time.sleep(PAUSE)
    return calls.problem or ("" if calls.accepted else "the calls of a traced task are not reported")


def main() -> None:
    """Print what was found."""
    json.dump(asdict(probe()), sys.stdout)


if __name__ == "__main__":
    main()

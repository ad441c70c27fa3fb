"""Trying a submission: start it, let two clients of the kit's talk with it, and show what is said.

This is for the student who wants to see it work. Nothing is judged: `threadserver.judge` does that.
"""

from collections.abc import Callable
from pathlib import Path

from clients import Client
from threadserver.errors import KitError
from threadserver.submission.containment import strongest
from threadserver.submission.folder import find
from threadserver.submission.preparing import Prepared, prepared
from threadserver.submission.running import StartError, running

PATIENCE = 10.0  # seconds that a server is given for anything
LINES = (b"hello", b"how are you?", b"goodbye")

Say = Callable[[str], None]


def converse_with(folder: Path, role: str, say: Say, *, kit: bool, service: str | None = None) -> int:
    """Start what is in ``folder`` and converse with it; give 0 when that worked, 1 when it did not.

    Raises SubmissionError when there is nothing to start.
    """
    with prepared(find(folder, role), strongest(), kit=kit) as submission:
        try:
            return _server(submission, say, service)
        except StartError as error:
            say(f"{error}{_said(error.output)}")
            return 1


def _server(submission: Prepared, say: Say, service: str | None) -> int:
    with running(submission, service=service) as server:
        say(f"your server listens at {server.address}")
        try:
            with Client(server.address, timeout=PATIENCE) as first:
                say(f"client 1 < {first.hello}")
                with Client(server.address, timeout=PATIENCE) as second:
                    say(f"client 2 < {second.hello}, while client 1 is connected")
                    for line in LINES:
                        for number, client in ((2, second), (1, first)):
                            say(f"client {number} > {line.decode()}")
                            say(f"client {number} < {client.ask(line).decode('utf-8', 'backslashreplace')}")
        except (KitError, TimeoutError) as error:
            why = f"no answer within {PATIENCE:g} s" if isinstance(error, TimeoutError) else str(error)
            say(f"it stopped here: {why}{_said(server.output())}")
            return 1
    say("both clients are done; your server has been stopped")
    return 0


def _said(output: str) -> str:
    return f"; it said:\n{output.strip()[-1500:]}" if output.strip() else ""

"""Trying a submission: start it, let two of the kit's clients talk to it, and show the conversation.

This is for a student who wants to see it work. Nothing is judged: `threadserver.judge` does that.
"""

from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from threadserver.clients import Client
from threadserver.clients.client_conversation import Hello
from threadserver.core.errors import KitError
from threadserver.core.models import thread
from threadserver.core.running import serving
from threadserver.submission.client_program import process
from threadserver.submission.containment import strongest
from threadserver.submission.folder import find
from threadserver.submission.preparing import Prepared, prepared
from threadserver.submission.server_program import StartError, running

PATIENCE = 10.0  # seconds that a server is given for anything
MOST_SHOWN = 16_384  # bytes of what a client printed
LINES = (b"hello", b"how are you?", b"goodbye")

Say = Callable[[str], None]


def converse_with(folder: Path, role: str, say: Say, *, kit: bool, service: str | None = None) -> int:
    """Start the submission in ``folder`` and converse with it. Return 0 when that worked, otherwise 1.

    Raises SubmissionError when there is nothing to start.
    """
    with prepared(find(folder, role), strongest(), kit=kit) as submission:
        for note in submission.notes:
            say(f"note: {note}")
        try:
            return _client(submission, say) if role == "client" else _server(submission, say, service)
        except StartError as error:
            say(f"{error}{_said(error.output)}")
            return 1


def _server(submission: Prepared, say: Say, service: str | None) -> int:
    with running(submission, service=service) as server:
        say(f"your server listens at {server.address}")
        try:
            with Client(server.address, timeout=PATIENCE) as first:
                say(f"client 1 < {_line(first.hello)}")
                with Client(server.address, timeout=PATIENCE) as second:
                    say(f"client 2 < {_line(second.hello)}  (while client 1 is connected)")
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


def _line(hello: Hello | None) -> str:
    """Return HELLO as the server sent it."""
    if hello is None:
        return ""
    return f"HELLO server={hello.server} client={hello.client} connection={hello.connection} worker={hello.worker}"


def _client(submission: Prepared, say: Say) -> int:
    with serving(thread.serve) as server:
        text = b"".join(line + b"\n" for line in LINES)
        say(f"a server listens at {server.address}; your client gets {len(LINES)} lines on its standard input")
        with process(submission, server.address.host, server.address.port) as client:
            with suppress(BrokenPipeError):
                client.stdin.write(text)
            client.stdin.close()
            code = client.wait(PATIENCE)
            if code is None:
                say(f"it stopped here: {client.failed or f'your client has not ended within {PATIENCE:g} s'}")
                return 1
            printed, complained = client.stdout.read(MOST_SHOWN), client.stderr.read(MOST_SHOWN)
    for line in printed.splitlines():
        say(f"it printed: {line.decode('utf-8', 'backslashreplace')}")
    say(f"it ended with exit code {code}{_said(complained.decode('utf-8', 'backslashreplace'))}")
    return 0 if code == 0 and printed == text else 1


def _said(output: str) -> str:
    return f"; its output:\n{output.strip()[-1500:]}" if output.strip() else ""

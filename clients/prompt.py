"""A client for a person at a terminal: a prompt with line editing and history."""

import os
import readline
from contextlib import suppress
from pathlib import Path
from select import select

from threadserver.clients.client import Client, DisconnectedError

PROMPT = "> "


def prompt(client: Client, *, answers: bool = True) -> None:
    """Ask for lines until Ctrl-D, send each and print its answer.

    ``answers`` says whether the service answers each line. Raises DisconnectedError when the server closes.
    """
    if client.hello:
        print(f"{client.hello.client} is connected to {client.hello.server}")
        print(f"connection {client.hello.connection}, served by worker {client.hello.worker} (process/thread)")
    print("Type a line to send it; Ctrl-D ends.")
    with suppress(OSError):
        readline.read_history_file(_history())
    client.socket.settimeout(None)
    try:
        _converse(client, answers=answers)
    finally:
        with suppress(OSError):
            _history().parent.mkdir(parents=True, exist_ok=True)
            readline.write_history_file(_history())


def _converse(client: Client, *, answers: bool) -> None:
    while True:
        try:
            line = input(PROMPT)
        except EOFError:
            print()
            return
        while select([client.socket], [], [], 0)[0]:  # the server has sent something, or has gone
            _show(client)
        client.send(line.encode("utf-8", "surrogateescape"))
        if answers:
            _show(client)


def _show(client: Client) -> None:
    answer = client.receive()
    if answer is None:
        raise DisconnectedError(f"{client.address} closed the connection")
    print(answer.decode("utf-8", "backslashreplace"))


def _history() -> Path:
    state = os.environ.get("XDG_STATE_HOME") or Path.home() / ".local" / "state"
    return Path(state) / "threadserver" / "history"

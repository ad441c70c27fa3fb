"""The demonstration: a server and three clients at the same time, one of them slow, and the twelve steps live.

The server is a process of its own, started with `threadserver serve`; the clients are threads of this process. All of
them record into one pipe, which is drawn live and kept::

    server process ──┐
    client threads ──┴─ pipe ─▶ reader thread ─▶ the diagram in the terminal, and the trace

The slow client connects first, and then sends nothing until the others have been served or `STALL` seconds have
passed. With a thread for each connection, the others are served first; with an iterative server, the time runs out.
"""

import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from threading import Event, Lock, Thread

from rich.console import Console
from rich.table import Table

from threadserver.clients.client import Client
from threadserver.clients.client_conversation import Hello
from threadserver.core.errors import KitError, reason
from threadserver.core.trace import Record, Recorder, number, parse
from threadserver.diagrams.diagram_page import page
from threadserver.diagrams.mermaid import mermaid
from threadserver.diagrams.perfetto import perfetto
from threadserver.diagrams.sequence import sequence
from threadserver.diagrams.terminal_diagram import Live

STALL = 2.0  # seconds, at most, for which the slow client sends nothing
CLIENTS = 3
PAUSE = 0.25  # seconds between a client's lines, so that a person can follow
REFRESH = 0.05  # seconds between two refreshes of the diagram


def run(model: str, out: Path, console: Console) -> None:
    """Show the twelve steps with a model, then the worker of each client, and write the pages into ``out``.

    Raises KitError when the server does not start, or a client was not served.
    """
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))  # so that the server is stopped as well
    with _Tape(console) as tape, _server(model, tape) as address:
        meeting = _Meeting(address, tape.recorder)
        meeting.hold()
    console.print()
    console.print(_workers(meeting.hellos))
    console.print(_conclusion(meeting), style="bold")
    console.print()
    for line in _write(tape.records, out):
        console.print(line, soft_wrap=True)
    if meeting.failures:
        raise KitError(f"not every client was served: {meeting.failures[0]}")


@dataclass
class _Meeting:
    """Three clients that connect at the same time."""

    address: str
    recorder: Recorder
    hellos: list[Hello] = field(default_factory=list)
    """The server's greetings, that of the slow client first."""
    failures: list[KitError | OSError] = field(default_factory=list)
    slow_is_connected: Event = field(default_factory=Event)
    others_are_served: Event = field(default_factory=Event)
    unserved: int = CLIENTS - 1
    overtaken: bool = False
    """True when the others were served while the slow client stalled."""
    lock: Lock = field(default_factory=Lock)

    def hold(self) -> None:
        """Run each client in a thread of its own; return when all have left."""
        crowd = [
            Thread(target=self._client, args=(number == 0,), name="slow" if number == 0 else "quick", daemon=True)
            for number in range(CLIENTS)
        ]
        for one in crowd:
            one.start()
        for one in crowd:
            one.join()

    def _client(self, slow: bool) -> None:
        try:
            self._converse(slow)
        except (KitError, OSError) as error:
            self.failures.append(error)
        finally:
            self._leave(slow)

    def _converse(self, slow: bool) -> None:
        if not slow:
            self.slow_is_connected.wait()
        with Client(self.address, recorder=self.recorder) as client:
            if client.hello:
                self.hellos.append(client.hello)
            if slow:
                self.slow_is_connected.set()
                self.overtaken = self.others_are_served.wait(STALL)
            for line in (b"hello, I am slow" if slow else b"hello", b"goodbye"):
                client.ask(line)
                Event().wait(PAUSE)

    def _leave(self, slow: bool) -> None:
        self.slow_is_connected.set()
        with self.lock:
            self.unserved -= not slow
            if self.unserved == 0:
                self.others_are_served.set()


class _Tape:
    """The pipe into which server and clients record: drawn live, and kept."""

    def __init__(self, console: Console) -> None:
        self.records: list[Record] = []
        self._live = Live(console, clients=CLIENTS)
        self._source, self.write_end = os.pipe()
        self.recorder = Recorder(f"/dev/fd/{self.write_end}")
        self._lock = Lock()
        self._ended = Event()
        self._threads = [Thread(target=self._read, daemon=True), Thread(target=self._draw, daemon=True)]

    def __enter__(self) -> "_Tape":
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        """Close our ends, and read on until the server has closed its end as well."""
        self.recorder.close()
        os.close(self.write_end)
        for thread in self._threads:
            thread.join()

    def _read(self) -> None:
        with open(self._source, "rb") as lines:
            for line in lines:
                record = parse(line)
                with self._lock:
                    self.records.append(record)
                    self._live.add(record)
        self._ended.set()

    def _draw(self) -> None:
        while not self._ended.wait(REFRESH):
            with self._lock:
                self._live.flush()
        self._live.flush(final=True)


@contextmanager
def _server(model: str, tape: _Tape) -> Iterator[str]:
    """Start ``threadserver serve`` on a free port, and yield its address; stop it at the end of the block."""
    command = [sys.executable, "-m", "threadserver", "serve", "tcp://127.0.0.1:0", "--model", model]
    with subprocess.Popen(
        [*command, "--trace", f"/dev/fd/{tape.write_end}"],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        text=True,
        pass_fds=(tape.write_end,),
    ) as process:
        try:
            match (process.stdout or sys.stdin).readline().split():
                case ["listening", "on", address, *_]:
                    yield address
                case said:
                    raise KitError(f"the server did not start: {' '.join(said)}")
        finally:
            process.terminate()


def _workers(hellos: list[Hello]) -> Table:
    table = Table(title="The worker of each client", title_justify="left")
    for heading in ("connection", "client", "process", "thread"):
        table.add_column(heading)
    for hello in sorted(hellos, key=lambda hello: hello.connection):
        process, _, thread = hello.worker.partition("/")
        slow = " (slow)" if hello is hellos[0] else ""
        table.add_row(f"{hello.connection}", f"{hello.client}{slow}", process, thread)
    return table


def _conclusion(meeting: _Meeting) -> str:
    """Return what the workers' names and the order of events have shown."""
    if len(meeting.hellos) < CLIENTS:
        greeted = f"{len(meeting.hellos)} of {CLIENTS} clients"
        return f"Only {greeted} received HELLO."
    workers = {hello.worker for hello in meeting.hellos}
    processes = {worker.partition("/")[0] for worker in workers}
    if len(workers) == 1:
        served = f"One thread served all {CLIENTS} clients."
    elif len(processes) == 1:
        served = f"{len(workers)} threads of one process served {CLIENTS} clients."
    else:
        served = f"{len(processes)} processes served {CLIENTS} clients."
    if meeting.overtaken:
        return f"{served} While the slow client stalled, the server accepted and served the others."
    return f"{served} While the slow client stalled, the others waited."


def _write(records: list[Record], out: Path) -> list[str]:
    """Write the diagrams, to a temporary folder if ``out`` cannot be written; return lines that say where they are."""
    try:
        out.mkdir(parents=True, exist_ok=True)
        probe = out / "twelve-steps.html"
        probe.touch()
    except OSError as error:
        elsewhere = Path(tempfile.mkdtemp(prefix="threadserver-"))
        return [f"(cannot write to {out}: {reason(error)})", *_write(records, elsewhere)]
    steps = sequence(number(records))
    (out / "twelve-steps.html").write_text(page(steps), "utf-8")
    (out / "twelve-steps.mmd").write_text(mermaid(steps), "utf-8")
    (out / "twelve-steps.json").write_text(perfetto(number(records)), "utf-8")
    where = out.resolve()
    return [
        f"Click through the steps:  {(where / 'twelve-steps.html').as_uri()}",
        f"For Mermaid:              {where / 'twelve-steps.mmd'}",
        f"For ui.perfetto.dev:      {where / 'twelve-steps.json'}",
    ]

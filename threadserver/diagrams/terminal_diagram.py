"""The sequence diagram in the terminal: of a whole trace, or live, while it happens.

Records of several threads and processes come a little out of order. So `Live` lets a row wait for a moment, until
nothing older can still come, and then prints it for good.
"""

from itertools import count
from time import monotonic

from rich.console import Console

from threadserver.core.trace import Record, number
from threadserver.diagrams.canvas import Canvas, console_for, most_lifelines
from threadserver.diagrams.lifelines import CLIENT, LISTENER, WORKER, Lifeline
from threadserver.diagrams.rows import Row
from threadserver.diagrams.sequence import Sequence, sequence

__all__ = ["Live", "console_for", "draw"]

LETTERS = {CLIENT: "C", LISTENER: "L", WORKER: "W"}
REORDER = 0.05  # seconds for which a live row waits for older ones


def draw(sequence: Sequence, console: Console) -> None:
    """Draw a whole trace; clients that do not fit side by side are left out, and it says so."""
    fitting = _fitting(sequence, most_lifelines(console.width))
    labels = Labels()
    canvas = Canvas(console, [labels.of(lifeline) for lifeline in fitting.lifelines])
    for lifeline in fitting.lifelines:
        canvas.say(_legend(labels.of(lifeline), lifeline))
    canvas.heading()
    spans = _spans(fitting)
    for at, row in enumerate(fitting.rows):
        alive = [labels.known[key] for key, (first, last) in spans.items() if first <= at <= last]
        canvas.row(row, row.time, labels.known[row.source], labels.known.get(row.target or ""), alive)
    _say_what_is_missing(canvas, sequence, fitting)


class Labels:
    """Short names of lifelines: C and the connection's number, L, and W1, W2 as they are asked for."""

    def __init__(self) -> None:
        self.known: dict[str, str] = {}

    def of(self, lifeline: Lifeline) -> str:
        """Give the label of a lifeline."""
        if lifeline.key not in self.known:
            numbered = f"C{lifeline.title.removeprefix('client ')}"
            self.known[lifeline.key] = numbered if self._is_free(numbered) else self._next(lifeline.kind)
        return self.known[lifeline.key]

    def _is_free(self, label: str) -> bool:
        return label[1:].isdecimal() and label not in self.known.values()

    def _next(self, kind: str) -> str:
        return next(label for at in count(1) if (label := _label(kind, at)) not in self.known.values())


class Live:
    """Prints the rows of a trace as its records come; ``clients`` is how many are expected.

    One thread may add records while another flushes. Each flush arranges all records anew, which is simple, and
    fast enough for the few hundred that a person can follow.
    """

    def __init__(self, console: Console, clients: int = 3) -> None:
        self._console = console
        self._records: list[Record] = []  # append() and the copy in flush() are atomic
        self._printed: set[tuple[object, ...]] = set()
        self._labels = Labels()
        self._introduced: set[str] = set()
        self._alive: set[str] = set()
        self._start: float | None = None
        self._left_out = 0
        self._columns = {_label(LISTENER, 1)}
        self._columns |= {_label(kind, at) for kind in (CLIENT, WORKER) for at in range(1, clients + 1)}
        self._canvas = self._begin()

    def add(self, record: Record) -> None:
        """Take a record, in whatever order they come."""
        self._records.append(record)

    def flush(self, final: bool = False) -> None:
        """Print the rows before which nothing can come any more; in the end, all."""
        arranged = sequence(number(list(self._records)))
        rows = [row for row in arranged.rows if _identity(row) not in self._printed]
        settled = monotonic() - REORDER - arranged.start
        while rows and not final and rows[-1].time > settled:
            rows.pop()
        for row in rows:
            self._print(row, arranged)
        if final and self._left_out:
            self._canvas.say(f"{_count(self._left_out, 'step')} of other clients left out: it is too narrow here")

    def _print(self, row: Row, arranged: Sequence) -> None:
        self._printed.add(_identity(row))
        taking_part = [one for one in arranged.lifelines if one.key in (row.source, row.target)]
        labels = [self._labels.of(lifeline) for lifeline in taking_part]
        self._make_room(labels)
        if not self._canvas.has(labels):
            self._left_out += 1
            return
        self._introduce(taking_part)
        self._start = arranged.start if self._start is None else self._start
        known, time = self._labels.known, arranged.start + row.time - self._start
        self._canvas.row(row, time, known[row.source], known.get(row.target or ""), self._alive)
        if row.step == "12":  # both ends are gone; a worker of a pool comes back with its next client
            for label in labels:
                self._alive.discard(label)

    def _introduce(self, lifelines: list[Lifeline]) -> None:
        for lifeline in lifelines:
            label = self._labels.of(lifeline)
            if label not in self._introduced:
                self._introduced.add(label)
                self._canvas.say(_legend(label, lifeline))
            self._alive.add(label)

    def _make_room(self, labels: list[str]) -> None:
        """Draw on with more columns when more come than were expected, as long as they fit."""
        missing = set(labels) - self._columns
        if missing and len(self._columns | missing) <= most_lifelines(self._console.width):
            self._columns |= missing
            self._canvas = self._begin()

    def _begin(self) -> Canvas:
        """Begin a diagram with those columns that fit: as many clients as workers."""
        side = (most_lifelines(self._console.width) - 1) // 2
        fitting = [label for label in self._columns if int(label[1:] or 1) <= side]
        if len(self._columns) <= most_lifelines(self._console.width):
            fitting = list(self._columns)
        canvas = Canvas(self._console, sorted(fitting, key=lambda label: (label[0], int(label[1:] or 1))))
        canvas.heading()
        return canvas


def _label(kind: str, at: int) -> str:
    return LETTERS[kind] if kind == LISTENER and at == 1 else f"{LETTERS[kind]}{at}"


def _legend(label: str, lifeline: Lifeline) -> str:
    return f"{label:<3} {lifeline.title}" + (f", {lifeline.subtitle}" if lifeline.subtitle else "")


def _identity(row: Row) -> tuple[object, ...]:
    """Tell rows apart although what is known of them grows: step 6 is that of one connect()."""
    shown = next((record for record in row.records if record.call == "connect"), row.records[0])
    return row.step, shown.socket, shown.call, shown.begin


def _fitting(sequence: Sequence, most: int) -> Sequence:
    """Give as many connections, from the first on, as fit into so many lifelines."""
    if len(sequence.lifelines) <= most:
        return sequence
    kept, fitting = [], sequence.only([])
    for connection in sequence.connections:
        kept.append(connection)
        longer = sequence.only(kept)
        if len(longer.lifelines) > most:
            break
        fitting = longer
    return fitting


def _say_what_is_missing(canvas: Canvas, sequence: Sequence, fitting: Sequence) -> None:
    clients = [sum(one.kind == CLIENT for one in each.lifelines) for each in (sequence, fitting)]
    if missing := clients[0] - clients[1]:
        left_out = sorted(set(sequence.connections) - set(fitting.connections))
        hint = f"--connection {left_out[0]} shows one" if left_out else "try a wider terminal"
        canvas.say(f"{_count(missing, 'client')} do not fit: {hint}")


def _spans(sequence: Sequence) -> dict[str, tuple[int, int]]:
    """Tell from which row to which each lifeline has something to do."""
    spans: dict[str, tuple[int, int]] = {}
    for at, row in enumerate(sequence.rows):
        for key in (row.source, row.target):
            if key:
                spans[key] = (spans.get(key, (at, at))[0], at)
    return spans


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"

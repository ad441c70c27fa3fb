"""The sequence diagram in the terminal: of a whole trace, or live, while it happens.

Records of several threads and processes arrive slightly out of order. So `Live` holds each row back for a moment, until
no older one can still arrive, and then prints it for good.
"""

import itertools
from time import monotonic

from rich.console import Console

from threadserver.core.plurals import count
from threadserver.core.trace import Record, number
from threadserver.diagrams.canvas import Canvas, console_for, most_lifelines
from threadserver.diagrams.lifelines import CLIENT, LISTENER, WORKER, Lifeline
from threadserver.diagrams.rows import Row
from threadserver.diagrams.sequence import Sequence, sequence

__all__ = ["Live", "console_for", "draw"]

LETTERS = {CLIENT: "C", LISTENER: "L", WORKER: "W"}
REORDER = 0.05  # seconds for which a live row is held back


def draw(sequence: Sequence, console: Console) -> None:
    """Draw a whole trace; if some clients do not fit side by side, leave them out and say so."""
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
    """Short names of lifelines: C and the connection's number, L, and W1, W2 … in order of appearance."""

    def __init__(self) -> None:
        self.known: dict[str, str] = {}

    def of(self, lifeline: Lifeline) -> str:
        """Return the label of a lifeline."""
        if lifeline.key not in self.known:
            numbered = f"C{lifeline.title.removeprefix('client ')}"
            self.known[lifeline.key] = numbered if self._is_free(numbered) else self._next(lifeline.kind)
        return self.known[lifeline.key]

    def _is_free(self, label: str) -> bool:
        return label[1:].isdecimal() and label not in self.known.values()

    def _next(self, kind: str) -> str:
        return next(label for at in itertools.count(1) if (label := _label(kind, at)) not in self.known.values())


class Live:
    """Prints the rows of a trace as its records arrive; ``clients`` is how many are expected.

    One thread may add records while another flushes. Each flush arranges all records again, which is simple, and fast
    enough for the few hundred that a person can follow.
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
        """Add a record; they may come in any order."""
        self._records.append(record)

    def flush(self, final: bool = False) -> None:
        """Print the rows before which no other can still come; all rows if this is the final flush."""
        arranged = sequence(number(list(self._records)))
        rows = [row for row in arranged.rows if _identity(row) not in self._printed]
        settled = monotonic() - REORDER - arranged.start
        while rows and not final and rows[-1].time > settled:
            rows.pop()
        for row in rows:
            self._print(row, arranged)
        if final and self._left_out:
            self._canvas.say(f"{count(self._left_out, 'step')} of other clients left out: the terminal is too narrow")

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
        if row.step == "12":  # both ends are gone; a pool's worker appears again with its next client
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
        """Add columns when more lifelines come than were expected, as long as they fit."""
        missing = set(labels) - self._columns
        if missing and len(self._columns | missing) <= most_lifelines(self._console.width):
            self._columns |= missing
            self._canvas = self._begin()

    def _begin(self) -> Canvas:
        """Begin a diagram with the columns that fit: as many clients as workers."""
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
    """Return what identifies a row although more becomes known of it: step 6 belongs to one connect()."""
    shown = next((record for record in row.records if record.call == "connect"), row.records[0])
    return row.step, shown.socket, shown.call, shown.begin


def _fitting(sequence: Sequence, most: int) -> Sequence:
    """Return as many connections, from the first on, as fit into ``most`` lifelines."""
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
        hint = f"--only {left_out[0]} shows one" if left_out else "try a wider terminal"
        canvas.say(f"{count(missing, 'client does', 'clients do')} not fit: {hint}")


def _spans(sequence: Sequence) -> dict[str, tuple[int, int]]:
    """Return the first and the last row of each lifeline."""
    spans: dict[str, tuple[int, int]] = {}
    for at, row in enumerate(sequence.rows):
        for key in (row.source, row.target):
            if key:
                spans[key] = (spans.get(key, (at, at))[0], at)
    return spans

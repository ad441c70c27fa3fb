"""What went over the wire in a check, line by line, with a caret at the first wrong byte.

::

    client 1   connects
    client 1 < HELLO server=tcp://127.0.0.1:7000 client=tcp://127.0.0.1:41234 connection=1 worker=2/2
    client 1 > CONFIRM 1
    client 1 > hello
    client 1 < hell0
                   ^ expected "o" here
"""

from dataclasses import dataclass

WIDEST = 100  # bytes of one line that are shown
MOST_ENTRIES = 2000
LAST = 16  # entries that are shown when there is little room


@dataclass(slots=True)
class Entry:
    """Bytes that one side sent, or an event."""

    side: str
    sign: str
    data: bytes


class Transcript:
    """The transcript of one check."""

    def __init__(self) -> None:
        self._entries: list[Entry] = []
        self._left_out = 0

    def note(self, side: str, what: str) -> None:
        """Note an event: a client connects, leaves, is closed."""
        self._add(Entry(side, " ", what.encode()))

    def sent(self, side: str, data: bytes) -> None:
        """Note bytes that the judge sent."""
        self._add(Entry(side, ">", data))

    def received(self, side: str, data: bytes) -> None:
        """Note bytes that came; bytes that continue a line are joined to it."""
        last = self._entries[-1] if self._entries else None
        if last and last.side == side and last.sign == "<" and len(last.data) < 2 * WIDEST:
            last.data += data
        else:
            self._add(Entry(side, "<", data))

    def mark(self, side: str, got: bytes, expected: bytes) -> None:
        """Show ``got`` again with a mark below the first byte that differs from ``expected``."""
        at = next(
            (i for i, (a, b) in enumerate(zip(got, expected, strict=False)) if a != b), min(len(got), len(expected))
        )
        start = max(0, at - WIDEST // 4)
        before = ("…" if start else "") + visible(got[start:at])
        wanted = (
            f"expected '{visible(expected[at : at + 24])}' here" if at < len(expected) else "nothing more was expected"
        )
        self._add(Entry(side, "=", (("…" if start else "") + visible(got[start : at + 40])).encode()))
        self._add(Entry("", "^", f"{' ' * len(before)}^ {wanted}, at byte {at + 1}".encode()))

    def text(self, last: int | None = None) -> str:
        """Return the transcript, or only its last entries."""
        lines: list[str] = []
        if self._left_out:
            lines.append(f"({self._left_out} earlier entries left out)")
        entries = self._entries if last is None else self._entries[-last:]
        if len(entries) < len(self._entries):
            lines = [f"({self._left_out + len(self._entries) - len(entries)} earlier entries; --all shows them)"]
        for group in _grouped(entries):
            lines += _of_many(group)
        return "\n".join(lines)

    def _add(self, entry: Entry) -> None:
        self._entries.append(entry)
        if len(self._entries) > MOST_ENTRIES:
            del self._entries[0]
            self._left_out += 1


def _grouped(entries: list[Entry]) -> list[list[Entry]]:
    """Join equal events of several clients in a row: all connect, or all close."""
    groups: list[list[Entry]] = []
    for entry in entries:
        last = groups[-1][-1] if groups else None
        if last and entry.sign == last.sign == " " and entry.data == last.data:
            groups[-1].append(entry)
        else:
            groups.append([entry])
    return groups


def _of_many(group: list[Entry]) -> list[str]:
    """Show equal events once, with the names of all to which they happened: client 1, clients 2 to 5."""
    names = list(dict.fromkeys(entry.side for entry in group))
    if len(names) == 1:
        return _shown(group[0])
    kind, _, first = names[0].rpartition(" ")
    last = names[-1].rpartition(" ")[2]
    return [f"{f'{kind}s {first} to {last}:':12} each {group[0].data.decode()}"]


def _shown(entry: Entry) -> list[str]:
    if entry.sign == "=":  # escaped already
        return [f"{entry.side:10} < {entry.data.decode()}"]
    if entry.sign in {" ", "^"}:
        return [f"{entry.side:10} {' ' if entry.sign == '^' else ''} {entry.data.decode()}"]
    pieces = entry.data.split(b"\n")
    ended = pieces.pop() == b""
    if not ended:
        pieces = entry.data.split(b"\n")
    lines = [f"{entry.side:10} {entry.sign} {_short(piece)}" for piece in pieces]
    if not ended and lines:
        lines[-1] += " (no LF)"
    if len(lines) > LAST:
        lines[LAST - 2 : -1] = [f"{'':10}   … {len(lines) - LAST + 1} more lines"]
    return lines


def _short(data: bytes) -> str:
    if len(data) <= WIDEST:
        return visible(data)
    return f"{visible(data[: WIDEST // 2])} … {visible(data[-8:])} ({len(data)} bytes)"


def visible(data: bytes) -> str:
    """Return bytes as text: printable ASCII unchanged, all others escaped, so that none can control a terminal."""
    return "".join(chr(byte) if 0x20 <= byte < 0x7F else _escape(byte) for byte in data)


def _escape(byte: int) -> str:
    return {0x0A: r"\n", 0x0D: r"\r", 0x09: r"\t"}.get(byte, f"\\x{byte:02x}")


def shown(data: bytes) -> str:
    """Return bytes quoted for a sentence, cut when they are long."""
    data = data.removesuffix(b"\n")
    if len(data) > 60:
        return f"'{visible(data[:40])}…' ({len(data)} bytes)"
    return f"'{visible(data)}'" if data else "an empty line"


def counted(number: int, what: str) -> str:
    """Return a number with its noun: 1 client, 2 processes."""
    return f"{number} {what}" if number == 1 else f"{number} {what}{'es' if what.endswith('s') else 's'}"

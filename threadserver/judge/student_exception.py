"""An exception of the student's program, found in what it printed: file, line, and the line's own text."""

import re
from dataclasses import dataclass
from pathlib import PurePosixPath

_FRAME = re.compile(r'^\s*File "(?P<path>[^"]+)", line (?P<line>\d+)(?:, in (?P<function>.+))?$')
_RAISED = re.compile(r"^\s{0,2}(?P<kind>(?:\w+\.)*[A-Z]\w*(?:Error|Exception|Interrupt|Exit|Warning|Iteration|Group))"
                     r"(?::\s*(?P<text>.*))?$")  # fmt: skip
_NOT_THEIRS = ("/lib/python", "/lib64/python", "site-packages/", "/threadserver/", "<frozen")
_WIDEST = 100


@dataclass(frozen=True, slots=True)
class StudentException:
    """The last exception that a program printed, and the innermost line of the student's own that it came through."""

    kind: str
    text: str
    file: str
    line: int
    function: str
    source: str

    @property
    def said(self) -> str:
        """Return what it says: "NameError: name 'x' is not defined", "bind: Address already in use"."""
        if "Address already in use" in self.text:
            return "bind: Address already in use"
        return f"{self.kind}: {self.text}" if self.text else self.kind

    @property
    def place(self) -> str:
        """Return where it was raised: "server.py line 67, in take: queue.put(connection)"."""
        where = f"{self.file} line {self.line}" + (f", in {self.function}" if self.function else "")
        return f"{where}: {self.source}" if self.source else where


def find_exception(output: str) -> StudentException | None:
    """Return the last exception in what a Python program printed; None where there is none."""
    lines = output.splitlines()
    for at in range(len(lines) - 1, -1, -1):
        raised = _RAISED.match(lines[at])
        if raised and (frame := _frame_before(lines, at)):
            kind = raised["kind"].rpartition(".")[2]
            return StudentException(kind, (raised["text"] or "").strip(), *frame)
    return None


def _frame_before(lines: list[str], end: int) -> tuple[str, int, str, str] | None:
    """Return file, line, function and source of the student's innermost frame above an exception's last line."""
    fallback = None
    for at in range(end - 1, -1, -1):
        if found := _FRAME.match(lines[at]):
            source = lines[at + 1].strip() if at + 1 < end and not _FRAME.match(lines[at + 1]) else ""
            source = source if len(source) <= _WIDEST else f"{source[: _WIDEST - 1]}…"
            path = found["path"]
            frame = PurePosixPath(path).name, int(found["line"]), (found["function"] or ""), source
            if not any(part in path for part in _NOT_THEIRS):
                return frame[0], frame[1], "" if frame[2] == "<module>" else frame[2], frame[3]
            fallback = fallback or frame
        elif lines[at].lstrip().startswith("Traceback (most recent call last)") or _RAISED.match(lines[at]):
            break
    return fallback

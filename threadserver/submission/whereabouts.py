"""Where a Python program is: its own lines, read from what faulthandler prints when the program is aborted.

A submission in Python is started with ``-X faulthandler``: on SIGABRT the interpreter prints the stack of each thread,
innermost call first, even if a thread is blocked in a system call or holds a lock. The submission does nothing for it.
"""

import re
from pathlib import Path

from threadserver.core.plurals import count
from threadserver.core.printable import printable

OPTIONS = ["-X", "faulthandler"]
"""Options of the Python interpreter that make it tell."""
ABORTED = "Fatal Python error: Aborted"
"""The first line of what it prints."""
_THREAD = re.compile(r"^(?:Current thread|Thread) 0x[0-9a-f]+")
_FRAME = re.compile(r'^  File "(?P<path>[^"]+)", line (?P<line>\d+) in (?P<function>.+)$')
_INSIDE = "/submission/"
_MOST = 1 << 20  # bytes of a source file that are read
_LINES = 6  # places that are named


def own_lines(said: str, copy: Path) -> list[str]:
    """Return the line of the submission in ``copy`` at which each thread is: equal ones once, with their number."""
    found: dict[str, int] = {}
    looking = False
    for line in said[max(0, said.find(ABORTED)) :].splitlines() if ABORTED in said else ():
        if _THREAD.match(line):
            looking = True
        elif looking and (frame := _FRAME.match(line)) and (file := _own(frame["path"], copy)):
            number = int(frame["line"])
            place = f"{file.name} line {number}, in {frame['function']}: {_source(file, number)}"
            found[place] = found.get(place, 0) + 1
            looking = False
    return [f"{count(many, 'thread')} at {place}" for place, many in list(found.items())[:_LINES]]


def _own(path: str, copy: Path) -> Path | None:
    """Return the file of the copy that a path in the output means; None for any other file."""
    inside = path.removeprefix(_INSIDE) if path.startswith(_INSIDE) else path
    file, whole = (copy / inside).resolve(), copy.resolve()
    return file if file.is_relative_to(whole) and file.is_file() else None


def _source(file: Path, number: int) -> str:
    with file.open("rb") as source:
        lines = source.read(_MOST).decode("utf-8", "replace").splitlines()
    return printable(lines[number - 1].strip())[:100] if number <= len(lines) else ""

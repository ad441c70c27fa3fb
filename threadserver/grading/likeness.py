"""Submissions that share much of their text: by fingerprints of their tokens, with the starters as common ground.

Winnowing (Schleimer, Wilkerson and Aiken, 2003, the idea behind MOSS). A file becomes a row of tokens, in which each
name, number and text is the same token, so renaming changes nothing, and comments and blanks count for nothing. Each
run of RUN tokens has a hash; in each window of WINDOW hashes the smallest is a fingerprint. So two files with
RUN + WINDOW - 1 = 19 tokens in common share a fingerprint, wherever these stand. Fingerprints of the starters, and of
what a fifth of the class has, say nothing. The tokens come from Pygments, which knows every language of a lab.

A likeness is a reason to look, but proves nothing: a short task has few good solutions.
"""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import cache
from itertools import combinations
from pathlib import Path
from zlib import crc32

from pygments.lexer import Lexer
from pygments.lexers import get_lexer_for_filename
from pygments.token import Comment, Literal, Name, Text, _TokenType
from pygments.util import ClassNotFound

RUN = 12
WINDOW = 8
ALIKE = 0.6
"""The part of the smaller submission's fingerprints that both have, from which on a pair is shown."""
FEWEST = 8
"""Fingerprints that a submission must have in addition to the starter's, to be compared at all."""
COMMON = 0.2
"""The part of a class from which on a fingerprint counts as common; never fewer than 5 submissions."""
LARGEST = 200_000
"""Bytes of a file, and below, files of a submission, that are compared."""
MOST_FILES = 50


@dataclass(slots=True)
class Prints:
    """The fingerprints of one submission."""

    lines: dict[int, set[tuple[str, int]]] = field(default_factory=dict)
    """Each fingerprint, with the lines that it stands for: file and number."""


@dataclass(frozen=True, slots=True)
class Pair:
    """Two submissions that are alike; ``share`` is from 0 to 1."""

    first: str
    second: str
    share: float
    lines: tuple[set[tuple[str, int]], set[tuple[str, int]]]
    """The lines that both have, in each of them."""


def alike(submissions: Mapping[str, Path], base: Iterable[Path]) -> list[Pair]:
    """Compare all submissions with each other; return those that are alike, the most alike first."""
    common = {one for folder in base for one in _runs_of(folder)}
    prints = {name: _prints(folder, common) for name, folder in submissions.items()}
    frequent = Counter(one for found in prints.values() for one in found.lines)
    most = max(5, COMMON * len(prints))
    kept = {name: {one for one in found.lines if frequent[one] <= most} for name, found in prints.items()}
    pairs = []
    for first, second in combinations([name for name, found in kept.items() if len(found) >= FEWEST], 2):
        both = kept[first] & kept[second]
        share = len(both) / min(len(kept[first]), len(kept[second]))
        if share >= ALIKE:
            lines = tuple(set().union(*(prints[name].lines[one] for one in both)) for name in (first, second))
            pairs.append(Pair(first, second, share, (lines[0], lines[1])))
    return sorted(pairs, key=lambda pair: -pair.share)


def files_of(folder: Path) -> Iterator[tuple[str, str]]:
    """Yield the source files of a submission: name and text."""
    found = sorted(path for path in folder.rglob("*") if path.is_file() and not path.is_symlink())
    for path in found[:MOST_FILES]:
        if path.stat().st_size <= LARGEST and _lexer(path.name) is not None:
            yield str(path.relative_to(folder)), path.read_text("utf-8", "replace")


def _prints(folder: Path, common: set[int]) -> Prints:
    found = Prints()
    for name, text in files_of(folder):
        runs = _runs(name, text)
        for begin in range(max(len(runs) - WINDOW + 1, min(len(runs), 1))):
            value, first, last = min(runs[begin : begin + WINDOW])
            if value not in common:
                found.lines.setdefault(value, set()).update((name, line) for line in range(first, last + 1))
    return found


def _runs_of(folder: Path) -> Iterator[int]:
    for name, text in files_of(folder):
        yield from (value for value, _, _ in _runs(name, text))


def _runs(name: str, text: str) -> list[tuple[int, int, int]]:
    """Return each run of tokens: its hash, and its first and last line."""
    tokens = list(_tokens(name, text))
    return [
        (crc32("\0".join(word for word, _ in run).encode()), run[0][1], run[-1][1])
        for run in (tokens[at : at + RUN] for at in range(len(tokens) - RUN + 1))
    ]


def _tokens(name: str, text: str) -> Iterator[tuple[str, int]]:
    """Return the tokens of a text, each with its line, without what a disguise would change."""
    lexer, line = _lexer(name), 1
    assert lexer is not None  # noqa: S101
    for kind, word in lexer.get_tokens(text):
        if not _in(kind, Comment, Text) and not word.isspace():
            yield _plain(kind, word), line
        line += word.count("\n")


def _plain(kind: _TokenType, word: str) -> str:
    if _in(kind, Name) and not _in(kind, Name.Builtin):
        return "name"
    return "literal" if _in(kind, Literal) else word


def _in(kind: _TokenType, *families: _TokenType) -> bool:
    return any(kind is family or kind[: len(family)] == family for family in families)


@cache
def _lexer(name: str) -> Lexer | None:
    if name.lower().endswith((".md", ".txt")):
        return None  # handouts and notes
    try:
        return get_lexer_for_filename(name, stripnl=False)
    except ClassNotFound:
        return None

"""What failing checks have in common: one cause, and every check that it costs.

A program that ends fails every check that comes after. One missing close() fails six. So failing checks are grouped by
what they show: the same exception, the same end of the program, the same ERROR, a connection that is never closed, the
same suspicion. The cause that explains most comes first. All of this is read from results, nothing is run.
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from enum import StrEnum

from threadserver.judge.outcomes import Outcome, Result
from threadserver.judge.program import OUTPUT
from threadserver.judge.student_exception import StudentException, find_exception

_ENDED = re.compile(
    r"(?:your program has ended|no process is left: the server ended|^it ended|it was ended:) (?P<how>[^;,\n]*)",
    re.IGNORECASE | re.MULTILINE,
)
_SAID = re.compile(rf"{OUTPUT}(?P<said>.*)", re.DOTALL)
_ANSWERED_ERROR = re.compile(r"(?:it got|the server sent|came|and expected a close; it got) '?(?P<error>ERROR [^'\n]*)")
_LEFT_OPEN = re.compile(
    r"still has the connection|has \d+ connections open|have this connection open"
    r"|still has \d+ descriptors|holds more descriptors"
    r"|expected the server to close; nothing came\. [^\n]*no task waits"
)
_LEFT = re.compile(
    r"still has \d+ (?P<what>threads|processes|zombies)|holds more (?P<more>threads|processes|zombies)"
    r"|still (?P<unreaped>zombies)"
)
_SUSPICION = re.compile(r"(?:nothing came|\bcame|took too long, and [^.]*)\. (?P<said>[A-Z].*)", re.DOTALL)
_UNREAD = re.compile(
    r"blocked in (?:epoll_p?wait2?|p?poll|p?select6?) on [^\n]*connections? of [^\n]*(?:\n[^\n]*)*?\n"
    r"\d+ bytes? from client (?P<number>\d+) unread"
)
_IN_VAIN = re.compile(
    r"\bcame(?=[.,;]|$)|did not read them|took too long|accept queue is full|never waits", re.IGNORECASE
)
_COMPLAINT = re.compile(
    r"in 1 line on standard error, (?:and|but) printed|had to end (?P<code>with exit code \d; it .*)"
)
_NOT_ACCEPTED = re.compile(r"expected HELLO; nothing came(?:$|\. Client \d+ waits to be accepted, but no task)")
_NAMES_THE_HOLDER = re.compile(r"The process that accepts still has|One child has \d+ connections open")
_COMPLAINED = re.compile(r"^stderr     < (.*)", re.MULTILINE)
_HARMLESS = {"ConnectionResetError", "BrokenPipeError", "ConnectionAbortedError"}
"""What a thread may die of when its client has gone; the server goes on."""


class Kind(StrEnum):
    """What checks have in common."""

    EXCEPTION = "exception"
    ENDED = "ended"
    ERROR = "error"
    LEFT_OPEN = "left open"
    LEFT = "left"
    SUSPICION = "suspicion"
    UNREAD = "unread"
    COMPLAINT = "complaint"
    ALONE = "alone"


@dataclass(slots=True)
class Cause:
    """One cause. ``lead`` is the check that shows it best."""

    kind: Kind
    lead: Result
    checks: list[Result]
    """All checks that fail because of it, including ``lead``, in the rubric's order."""
    blocked: list[Result] = field(default_factory=list)
    """Checks that were not tried because of these."""

    @property
    def explained(self) -> int:
        """How many checks it costs."""
        return len(self.checks) + len(self.blocked)

    @property
    def ends_the_program(self) -> bool:
        """True when it ends the program."""
        return any(ended(one) for one in self.checks)


def causes(results: Iterable[Result]) -> list[Cause]:
    """Group the failed checks by their cause: first what explains most, then by the rubric's order."""
    results = list(results)
    groups: dict[tuple[Kind, str], list[Result]] = {}
    for one in results:
        if one.outcome is Outcome.FAILED:
            groups.setdefault(_key(one), []).append(one)
    found = [Cause(kind, _lead(kind, group), group) for (kind, _), group in groups.items()]
    found = _share_what_is_blocked(found, results)
    return sorted(found, key=lambda cause: -cause.explained)  # stable: else in the rubric's order


def ended(result: Result) -> str:
    """Return how the program ended in a check: "with exit code 1"; empty where it did not end."""
    found = _ENDED.search(result.message) or _ENDED.search(result.evidence)
    return found["how"].removesuffix(" before it was seen to listen").strip(" .") if found else ""


def said(result: Result) -> str:
    """Return what a program said that has ended."""
    for text in (result.message, result.evidence):
        if found := _SAID.search(text):
            return found["said"].strip()
    return result.evidence.strip() if ended(result) and not result.evidence.startswith("no process is left") else ""


def headline(result: Result) -> str:
    """Return the message without what the program said."""
    return _SAID.sub("", result.message)


def exception(result: Result) -> StudentException | None:
    """Return the exception that a check shows; not one of a thread whose client had gone, as long as others serve."""
    complained = "\n".join(_COMPLAINED.findall(result.transcript))  # of a client, in a client lab
    found = find_exception(f"{result.message}\n{result.evidence}\n{complained}")
    if found and not ended(result) and found.kind in _HARMLESS:
        return None
    return found


def waits_in_vain(message: str) -> bool:
    """Return whether something did not come, or does not end: then it matters where the program is."""
    return _IN_VAIN.search(message) is not None


def unread(result: Result) -> bool:
    """Return whether a task waits until it can read from the client that the message names, whose bytes have come."""
    found = _UNREAD.search(result.evidence)
    return found is not None and result.message.startswith(f"client {found['number']} ")


def _key(result: Result) -> tuple[Kind, str]:
    text = f"{result.message}\n{result.evidence}"
    if found := _COMPLAINT.search(result.message):
        return Kind.COMPLAINT, found["code"] or ""
    if raised := exception(result):
        return Kind.EXCEPTION, f"{raised.kind} {raised.file} {raised.line}"
    if how := ended(result):
        last = said(result).splitlines()[-1:]
        return Kind.ENDED, f"{how} {_without_numbers(last[0]) if last else ''}"
    if found := _ANSWERED_ERROR.search(result.message):
        error = found["error"]
        return Kind.ERROR, error if error.startswith("ERROR line longer") else _without_numbers(error)
    if _LEFT_OPEN.search(text):
        return Kind.LEFT_OPEN, ""
    if found := _LEFT.search(result.message):
        return Kind.LEFT, found["what"] or found["more"] or found["unreaped"]
    if unread(result):
        return Kind.UNREAD, ""
    if _NOT_ACCEPTED.search(result.message):
        return Kind.SUSPICION, "not accepted"
    if found := _SUSPICION.search(result.message):
        return Kind.SUSPICION, _without_numbers(found["said"])
    return Kind.ALONE, result.name


def _lead(kind: Kind, group: list[Result]) -> Result:
    """Choose the check that shows the cause best: the first, unless another one says more."""
    if kind is Kind.LEFT_OPEN:
        return next((one for one in group if _NAMES_THE_HOLDER.search(one.message)), group[0])
    if kind is Kind.LEFT:
        return next((one for one in group if "still zombies" in one.message), group[0])
    if kind is Kind.SUSPICION:
        return next((one for one in group if _SUSPICION.search(one.message)), group[0])
    return group[0]


def _share_what_is_blocked(found: list[Cause], results: list[Result]) -> list[Cause]:
    """Add each blocked check to the first cause that it depends on, in one step or in several."""
    owner = {one.name: cause for cause in found for one in cause.checks}
    for one in results:  # in the rubric's order: what it depends on came before
        if one.outcome is Outcome.BLOCKED:
            needed = one.message.partition("it depends on ")[2].split(", ")
            cause = next((owner[name] for name in needed if name in owner), None)
            if cause:
                owner[one.name] = cause
                cause.blocked.append(one)
    return found


def _without_numbers(text: str) -> str:
    """Return a text without what differs from run to run: numbers, and the name of a system call."""
    return re.sub(r"(client|on client|process|thread) #", r"\1", re.sub(r"\d+", "#", text))

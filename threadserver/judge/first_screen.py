"""A verdict on one screen of 80 columns and 24 rows: the first cause in full, all others in one line each.

First what explains most. The sentence of the check, what happened, where, and what to do; then the other causes, what
was not tried, and the points. `verdict_text` prints everything.
"""

import re
from collections.abc import Sequence

from rich.console import Console
from rich.text import Text

from threadserver.core.labs import Lab, labs
from threadserver.core.plurals import count
from threadserver.judge import verdict_text
from threadserver.judge.cause_hints import hint
from threadserver.judge.causes import Cause, causes, ended, exception, headline, said
from threadserver.judge.outcomes import Outcome, Result, Verdict
from threadserver.judge.program import OWN_LINES, SAID
from threadserver.judge.workspace import progress

WIRE = 4  # lines of the transcript
INSIDE = 3  # lines of what the kernel shows
OTHERS = 3  # causes in one line each
NAMES = 8  # names of checks in a row
MAKE = "make "  # so the message begins when the submission cannot be built
_CONTRACT = ". The contract: "


def show(console: Console, lab: Lab, verdict: Verdict) -> None:
    """Print a verdict: praise where everything passed, else the first cause and what else there is."""
    passed = [one for one in verdict.checks if one.outcome is Outcome.PASSED]
    if verdict.checks and len(passed) == len(verdict.checks):
        console.print(Text.assemble(("passed", "green"), f" {', '.join(one.name for one in passed)}"))
        verdict_text.total(console, verdict)
        if not verdict.broken:
            _praise(console, lab, verdict)
        return
    found = causes(verdict.checks)
    if found:
        _in_full(console, found[0])
    _the_rest(console, found, verdict)
    verdict_text.total(console, verdict, brief=True)


def _in_full(console: Console, cause: Cause) -> None:
    """Print one cause: the sentence, what happened, where, and what to do."""
    lead = cause.lead
    word, style = verdict_text.SIGNS[lead.outcome]
    console.print()
    console.print(Text.assemble((word, style), " ", (lead.name, "bold"), f": {lead.sentence}"))
    raised = exception(lead)
    if raised:
        verdict_text.part(console, "", f"{raised.said}\n{raised.place}")
    elif words := said(lead):
        verdict_text.part(console, "Your program said", "\n".join(words.splitlines()[-INSIDE:]))
    known = raised or lead.message.startswith(MAKE)
    verdict_text.part(console, "", _without_contract(headline(lead)) if known else headline(lead))
    if len(cause.checks) > 1:
        verdict_text.part(console, "", _in_common(cause))
    if "could not connect" not in lead.message:
        _cut(console, "On the wire", about(lead, WIRE))
    if not ended(lead):
        _cut(console, *_inside(lead))
    verdict_text.part(console, "What to do", hint(cause))


def _inside(result: Result) -> tuple[str, list[str]]:
    """Return a title and the first lines of the evidence: what the kernel shows, or a compiler's first errors."""
    seen, _, own = result.evidence.partition(f"{OWN_LINES}\n")
    if own and not result.message.startswith(MAKE):
        return OWN_LINES.removesuffix(":"), own.splitlines()[:INSIDE]
    lines = seen.partition(f"\n{SAID}")[0].splitlines()
    if result.message.startswith(MAKE):
        errors = [at for at, one in enumerate(lines) if "error" in one]
        return "make said", lines[errors[0] if errors else 0 :][: 2 * INSIDE]
    if len(lines) > INSIDE:
        lines[INSIDE - 1 :] = [f"… and {count(len(lines) - INSIDE + 1, 'more line')}"]
    return "Inside the server", lines


def _in_common(cause: Cause) -> str:
    """Say how many checks fail because of one cause, and which."""
    checks = count(len(cause.checks), "check")
    what = f"This ends your program in {checks}" if cause.ends_the_program else f"{checks} fail because of this"
    return f"{what}: {_names(cause.checks)}"


def _the_rest(console: Console, found: Sequence[Cause], verdict: Verdict) -> None:
    """Print the other causes and what was not decided, one line each; then what was not tried."""
    others = found[1:]
    for cause in others[:OTHERS]:
        raised = exception(cause.lead)
        where = f"{raised.said} ({raised.file} line {raised.line})" if raised else ""
        more = f" and {len(cause.checks) - 1} more" if len(cause.checks) > 1 else ""
        _row(console, cause.lead, f"{cause.lead.name}{more}", where or _without_contract(headline(cause.lead)))
    if len(others) > OTHERS:
        console.print(f"{'':>12}  … and {count(len(others) - OTHERS, 'more fault')}")
    for one in verdict.checks:
        if one.outcome in {Outcome.UNDETERMINED, Outcome.ERROR}:
            _row(console, one, one.name, one.message)
    blocked = [one for one in verdict.checks if one.outcome is Outcome.BLOCKED]
    if blocked:
        alone = len(found) == 1 and len(found[0].checks) == 1 and len(found[0].blocked) == len(blocked)
        why = f"not tried, because of {found[0].lead.name}" if alone else "not tried"
        text = f"{count(len(blocked), 'check')} {why}: {_names(blocked)}"
        _line(console, Text.assemble((f"{'blocked':>12}", "yellow"), f"  {text}"))


def _cut(console: Console, title: str, lines: Sequence[str]) -> None:
    """Print lines below their title, each on one line of the terminal."""
    if lines:
        console.print(f"  [dim]{title}[/]")
    for one in lines:
        _line(console, Text(f"    {one}"))


def _row(console: Console, result: Result, name: str, text: str) -> None:
    word, style = verdict_text.SIGNS[result.outcome]
    told = text.splitlines()[0] if text else result.sentence
    _line(console, Text.assemble((f"{word:>12}", style), "  ", (name, "bold"), f": {told}"))


def _line(console: Console, text: Text) -> None:
    """Print one line: cut at the terminal's width, whole in a pipe."""
    console.print(text, no_wrap=True, overflow="ellipsis", soft_wrap=not console.is_terminal)


def about(result: Result, most: int) -> list[str]:
    """Return the last lines of a transcript that are about the clients that the message names."""
    lines = [one for one in result.transcript.splitlines() if not (exception(result) and one.startswith("stderr "))]
    named = set(re.findall(r"client \d+", headline(result)))
    if named:
        lines = [one for one in lines if one[:10].strip() in {*named, "server", ""}]
    return lines[-most:]


def _names(results: Sequence[Result]) -> str:
    shown = ", ".join(one.name for one in results[:NAMES])
    return shown + (f", and {len(results) - NAMES} more" if len(results) > NAMES else "")


def _without_contract(message: str) -> str:
    return message.partition(_CONTRACT)[0]


def _praise(console: Console, lab: Lab, verdict: Verdict) -> None:
    """Print a word of praise, the model that the kernel saw, and the next lab."""
    saw = ""
    if lab.model and any(one.name == "model" for one in verdict.checks):
        saw = f" The kernel saw the model that this lab asks for: {lab.model}."
    console.print(Text(f"Well done: every check passed.{saw}", "bold green"))
    if following := next_lab(lab, labs(), progress()):
        console.print(f"The next lab: threadserver lab start {following.name} ({following.title})", soft_wrap=True)


def next_lab(lab: Lab, known: Sequence[Lab], done: dict[str, dict[str, object]]) -> Lab | None:
    """Return the next lab to do: one that builds on this one, else the next in order; None after the last."""

    def open_(one: Lab) -> bool:
        last = done.get(one.name)
        return one.name != lab.name and (last is None or last["score"] != last["max_score"])

    if all(one.name != lab.name for one in known):
        return None  # a course's own lab
    after = [one for one in known if one.order > lab.order and open_(one)]
    return next((one for one in after if lab.name in one.needs), next(iter(after), None))

"""What became of a server under load: the word for it (`results.OUTCOMES`), and why in one line.

A right server that merely cannot do what was asked is told apart from one that is wrong: it let clients wait
(``partly``), did not keep up with a rate (``overrun``), knows no such service (``not offered``).
"""

from collections.abc import Iterable

from threadserver.clients.client import ConnectError, DisconnectedError
from threadserver.clients.client_conversation import ClosedError, ProtocolError, RefusalError
from threadserver.clients.load import Latency, Plan, error_kinds
from threadserver.comparison import leaks
from threadserver.comparison.counters import Sample
from threadserver.comparison.number_format import amount
from threadserver.comparison.results import Run
from threadserver.comparison.running_contestant import AnswerError, Subject
from threadserver.core.errors import KitError, reason

KEEPING_UP = 0.9
"""Who answers a smaller part of what was due, while it was due, does not keep up with the rate."""
COMPUTING = 0.5
"""Who needs a smaller part of the processor time that it was asked to spend does not compute."""
DYING = 1.0
"""Seconds in which a server that has dropped its clients may turn out to have ended."""
_ENDS = {error_kinds.REFUSED, error_kinds.RESET, error_kinds.CLOSED}
_REFUSALS = {*_ENDS, error_kinds.FULL, error_kinds.ERROR_LINE}
_NOUNS = {error_kinds.WRONG, error_kinds.TIMEOUT, error_kinds.ERROR_LINE}
_LIES = {error_kinds.WRONG, error_kinds.EARLY, error_kinds.BAD_HELLO}


def of_first_client(run_: Run, subject: Subject, error: KitError | OSError, patience: float) -> Run:
    """Say why the first client, who was alone and had so many seconds, got no answer."""
    cause = error.__cause__ if isinstance(error, ConnectError) else error
    why = f"the first client: {_why(error, cause, patience)}"
    if ended := subject.ended(within=DYING):
        return run_.failed("crashed", f"it ended {ended}; {why}")
    if isinstance(cause, RefusalError | ConnectionRefusedError):
        return run_.failed("refused", why)
    if isinstance(cause, ClosedError | DisconnectedError | ConnectionError):
        return run_.failed("dropped", why)
    return run_.failed("wrong answers" if isinstance(cause, ProtocolError | AnswerError) else "hung", why)


def _why(error: KitError | OSError, cause: BaseException | None, patience: float) -> str:
    if isinstance(cause, TimeoutError):  # a client's own words end in an advice for another command
        what = "no HELLO" if isinstance(error, ConnectError) else "no answer"
        return f"{what} within {patience:g} s: a server must greet and answer as labs/PROTOCOL.md says"
    return str(error) if isinstance(error, KitError) else reason(error)


def of_load(run_: Run, subject: Subject, plan: Plan, before: Sample, weights: tuple[leaks.Memory, leaks.Memory]) -> Run:
    """Find the word; ``before`` is the state to come back to, ``weights`` are the memory before and under load."""
    slow: dict[str, int] = run_.load["slow"]["errors"] if run_.load and run_.load["slow"] else {}
    errors = run_.errors.keys() | slow.keys()
    faults = ", ".join([*_counted(run_.errors), *(f"{said} of slow clients" for said in _counted(slow))])
    if ended := subject.ended(within=DYING if errors & _ENDS else 0.0):
        return run_.failed("crashed", f"it ended {ended} under load: {faults}".removesuffix(": "))
    if errors & _LIES:
        return run_.failed("wrong answers", faults)
    if not run_.served:
        return run_.failed(_none_served(run_, errors), faults or "nothing was answered")
    if not _kept(run_):
        hung = error_kinds.TIMEOUT in errors
        why = (
            f"in the end nobody was answered within {plan.timeout:g} s" if hung else "in the end no connection was left"
        )
        return run_.failed("hung" if hung else "dropped", f"{why}: {faults}")
    if leaked := leaks.held(subject, before, plan):
        return run_.failed("leaked", leaked)
    if errors:
        return _partly(run_, faults)
    if leaked := leaks.grown(subject, *weights, plan, run_.requests):
        return run_.failed("leaked", leaked)
    if why := _not_computing(run_, plan):
        return run_.failed("not offered", why)
    if late := _late(run_, plan):
        return run_.failed("overrun", late)
    return run_


def _counted(errors: dict[str, int]) -> list[str]:
    """Say of each kind how many: ``2 wrong answers``, ``9 closed``."""
    return [f"{count} {kind}{'s' if kind in _NOUNS and count > 1 else ''}" for kind, count in sorted(errors.items())]


def _none_served(run_: Run, errors: Iterable[str]) -> str:
    """Tell why nobody was served: refused before, or dropped after, a connection was there."""
    if not _REFUSALS.intersection(errors):
        return "hung"
    connected = run_.load["connected"] if run_.load else _ENDS.intersection(errors)
    return "dropped" if connected else "refused"


def _not_computing(run_: Run, plan: Plan) -> str:
    """Say that a server that was asked to compute does hardly anything; empty when it computes."""
    used = run_.server.cpu_per_request if run_.server and not run_.server.uncounted else None
    if plan.workload != "spin" or used is None or used >= COMPUTING * (plan.milliseconds or 0) / 1000:
        return ""
    return f"it was asked to compute for {plan.milliseconds} ms, and needs {amount(used, 'seconds')} of processor time"


def _late(run_: Run, plan: Plan) -> str:
    """Say how far behind a rate a server was that answers everything in the end; empty when it kept up.

    Each answer may take its time: if more than the warm-up, those that belong to its beginning are missing.
    """
    due = run_.load["due"] if run_.load else None
    if not (run_.load and due):
        return ""
    quickest = Latency.from_dict(run_.load["latency"]).percentile(1) or 0.0
    missing = max(quickest - plan.warm_up, 0.0) / plan.seconds
    if run_.requests >= KEEPING_UP * due * (1 - missing):
        return ""
    return f"{_late_side(run_)} did not keep up with the rate: {run_.requests} answers came while {due} were due"


def _late_side(run_: Run) -> str:
    return "the generator" if run_.load and run_.load["generator"]["limited_by"] else "it"


def _kept(run_: Run) -> int:
    """Count the connections that were there, and answered, to the end."""
    return int(run_.load["kept"]) if run_.load else run_.served


def _partly(run_: Run, faults: str) -> Run:
    """Say of a server that answered, but not everybody and everything, in what it fell short."""
    if run_.errors.keys() == {error_kinds.NOT_SENT}:
        return run_.failed("overrun", f"{_late_side(run_)} did not keep up with the rate: {faults}")
    kept, connections = _kept(run_), run_.cell.connections
    served = min(run_.served, kept)
    if served == connections:
        return run_.failed("partly", f"not every request was answered as it should be: {faults}")
    to_the_end = " to the end" if kept < run_.served or run_.errors.keys() & _ENDS else ""
    were = "was" if served == 1 else "were"
    return run_.failed("partly", f"{served} of {connections} clients {were} served{to_the_end}: {faults}")

"""The outcome of a run: a word for it (`results.OUTCOMES`), and the reason in one line.

A correct server that cannot do what was asked differs from a wrong one: it made clients wait (``partly``), did not keep
up with a rate (``overrun``), or does not know the service (``not offered``).
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
"""A server that answers less than this share of the requests due in time is not keeping up with the rate."""
COMPUTING = 0.5
"""A server that uses less than this share of the requested processor time does not compute."""
DYING = 1.0
"""Seconds to wait for the end of a server that has dropped its clients."""
_ENDS = {error_kinds.REFUSED, error_kinds.RESET, error_kinds.CLOSED}
_REFUSALS = {*_ENDS, error_kinds.FULL, error_kinds.ERROR_LINE}
_NOUNS = {error_kinds.WRONG, error_kinds.TIMEOUT, error_kinds.ERROR_LINE}
_LIES = {error_kinds.WRONG, error_kinds.EARLY, error_kinds.BAD_HELLO}


def of_first_client(run_: Run, subject: Subject, error: KitError | OSError, patience: float) -> Run:
    """Record why the first client, which was alone and waited ``patience`` seconds, got no answer."""
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
    if isinstance(cause, TimeoutError):  # the client's own message ends with advice for another command
        what = "no HELLO" if isinstance(error, ConnectError) else "no answer"
        return f"{what} within {patience:g} s; labs/PROTOCOL.md says how a server greets and answers"
    return str(error) if isinstance(error, KitError) else reason(error)


def of_load(run_: Run, subject: Subject, plan: Plan, before: Sample, weights: tuple[leaks.Memory, leaks.Memory]) -> Run:
    """Find the outcome; ``before`` is the state before the load, ``weights`` is the memory before and under load."""
    slow: dict[str, int] = run_.loaded("slow", "errors") or {}
    errors = run_.errors.keys() | slow.keys()
    faults = "; ".join(filter(None, (_counted(run_.errors), f"slow clients: {_counted(slow)}" if slow else "")))
    if ended := subject.ended(within=DYING if errors & _ENDS else 0.0):
        return run_.failed("crashed", f"it ended {ended} under load: {faults}".removesuffix(": "))
    if errors & _LIES:
        return run_.failed("wrong answers", faults)
    if not run_.served:
        return run_.failed(_none_served(run_, errors), faults or "no answers")
    if not _kept(run_):
        hung = error_kinds.TIMEOUT in errors
        why = f"no client got an answer within {plan.timeout:g} s" if hung else "no connection was left"
        return run_.failed("hung" if hung else "dropped", f"at the end {why}: {faults}")
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


def _counted(errors: dict[str, int]) -> str:
    """Return each kind with its number: ``2 wrong answers``, ``9 closed``."""
    plural = {kind: "s" for kind in _NOUNS if errors.get(kind, 0) > 1}
    return ", ".join(f"{count} {kind}{plural.get(kind, '')}" for kind, count in sorted(errors.items()))


def _none_served(run_: Run, errors: Iterable[str]) -> str:
    """Return why no client was served: refused before, or dropped after, it was connected."""
    if not _REFUSALS.intersection(errors):
        return "hung"
    connected = run_.loaded("connected") if run_.load else _ENDS.intersection(errors)
    return "dropped" if connected else "refused"


def _not_computing(run_: Run, plan: Plan) -> str:
    """Say that a server that should compute hardly does; empty if it computes."""
    used = run_.server.cpu_per_request if run_.server and not run_.server.uncounted else None
    if plan.workload != "spin" or used is None or used >= COMPUTING * (plan.milliseconds or 0) / 1000:
        return ""
    return f"it should compute for {plan.milliseconds} ms, but uses {amount(used, 'seconds')} of processor time"


def _late(run_: Run, plan: Plan) -> str:
    """Say how far a server that answers everything falls behind a rate; empty if it keeps up.

    Each answer may take a while: if it takes longer than the warm-up, the first answers are missing.
    """
    due = run_.loaded("due")
    if not due:
        return ""
    quickest = Latency.from_dict(run_.loaded("latency")).percentile(1) or 0.0
    missing = max(quickest - plan.warm_up, 0.0) / plan.seconds
    if run_.requests >= KEEPING_UP * due * (1 - missing):
        return ""
    return f"{_late_side(run_)} did not keep up with the rate: {run_.requests} of {due} answers came in time"


def _late_side(run_: Run) -> str:
    return "the generator" if run_.loaded("generator", "limited_by") else "it"


def _kept(run_: Run) -> int:
    """Return the number of connections that lasted, and were answered, to the end."""
    return int(run_.loaded("kept")) if run_.load else run_.served


def _partly(run_: Run, faults: str) -> Run:
    """Say what was missing, for a server that did not answer every client or every request."""
    if run_.errors.keys() == {error_kinds.NOT_SENT}:
        return run_.failed("overrun", f"{_late_side(run_)} did not keep up with the rate: {faults}")
    kept, connections = _kept(run_), run_.cell.connections
    served = min(run_.served, kept)
    if served == connections:
        return run_.failed("partly", f"not every request got its answer: {faults}")
    to_the_end = " to the end" if kept < run_.served or run_.errors.keys() & _ENDS else ""
    were = "was" if served == 1 else "were"
    return run_.failed("partly", f"{served} of {connections} clients {were} served{to_the_end}: {faults}")

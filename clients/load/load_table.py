"""Show a result as a table in the terminal."""

from collections.abc import Iterator

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from threadserver.clients.load.latency import PERCENTS, Latency
from threadserver.clients.load.plan import Plan
from threadserver.clients.load.result import Result
from threadserver.clients.load.workloads import CONNECTION_PER_REQUEST


def table(result: Result) -> RenderableType:
    """Return the figures, and below them the caveats."""
    return Group(Text(title(result), style="bold"), _figures(result), *map(Text, _remarks(result)))


def title(result: Result) -> str:
    """Return a line that says what was measured."""
    plan = result.plan
    service = {"sleep": f"sleep {plan.milliseconds}", "spin": f"spin {plan.milliseconds}"}.get(plan.workload)
    what = service or (plan.workload if plan.workload == "idle" else f"{plan.workload}, {plan.payload} bytes")
    connections = _plural(plan.connections, "connection")
    return f"{plan.address}: {what}, {connections}, {_pace(plan)}, {result.seconds:.2f} s measured"


def _pace(plan: Plan) -> str:
    if plan.workload == "idle":
        return "held"
    return f"open loop at {plan.rate:g}/s" if plan.rate else "closed loop"


def _figures(result: Result) -> Table:
    figures = Table.grid(padding=(0, 2))
    figures.add_column()
    figures.add_column(justify="left")
    for name, value in _rows(result):
        figures.add_row(name, value)
    return figures


def _rows(result: Result) -> Iterator[tuple[str, str]]:
    if result.plan.workload != "idle":
        unit = "connections" if result.plan.workload in CONNECTION_PER_REQUEST else "requests"
        yield f"{unit}/s", f"{result.requests_per_second:,.0f}  ({result.requests:,} in total)".replace(",", " ")
        if result.due is not None:
            yield "due", _due(result.due, result.unanswered or 0)
        yield "latency", _latency(result.latency)
    if result.slow:
        slow = result.slow
        yield "slow clients", f"{slow.connected} of {slow.clients} connected, {_plural(slow.requests, 'request')}"
        yield "slow latency", _latency(slow.latency)
    if result.fairness is not None and len(result.per_connection) > 1:
        least, most = min(result.per_connection), max(result.per_connection)
        yield "fairness", f"{result.fairness:.3f}  ({least} to {most} answers per connection)"
    yield "connected", f"{result.connected} of {result.plan.connections}"
    slow_errors = result.slow.errors if result.slow else {}
    every = {"errors": result.errors, "warm-up errors": result.warm_up_errors, "slow errors": slow_errors}
    for whose, errors in every.items():
        if errors or whose == "errors":
            yield whose, ", ".join(f"{kind} {count}" for kind, count in sorted(errors.items())) or "none"
    shares = ", ".join(f"{share.cpu_share:.0%}" for share in result.shares)
    yield "generator", f"{shares} of a core" if shares else "not started"


def _due(due: int, unanswered: int) -> str:
    total, missing = (f"{count:,}".replace(",", " ") for count in (due, unanswered))
    return f"{total} requests, {missing} never answered"


def _plural(count: int, noun: str) -> str:
    return f"{count} {noun}" + "s" * (count != 1)


def _latency(latency: Latency) -> str:
    if not latency.count:
        return "no answers"
    percentiles = [(f"p{percent:g}", latency.percentile(percent)) for percent in PERCENTS]
    return "  ".join(f"{name} {_time(value)}" for name, value in [*percentiles, ("max", latency.max)])


def _time(seconds: float | None) -> str:
    """Format a duration with three digits, in the unit that fits."""
    if seconds is None:
        return "-"
    scale, unit = next(((s, u) for s, u in ((1, "s"), (1e3, "ms"), (1e6, "µs")) if seconds * s >= 1), (1e6, "µs"))
    value = seconds * scale
    return f"{value:.{2 if value < 10 else 1 if value < 100 else 0}f} {unit}"


def _remarks(result: Result) -> Iterator[str]:
    if result.interrupted:
        yield "Interrupted: these are the figures up to that point."
    if result.limited_by:
        yield f"The generator may be the limit, not the server: {result.limited_by}."

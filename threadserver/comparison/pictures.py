"""The pictures of a comparison, and the content of each."""

from collections.abc import Callable
from itertools import groupby

from threadserver.clients.load import Latency
from threadserver.comparison import classic_table, findings
from threadserver.comparison.cells import TITLES, Cell
from threadserver.comparison.charts import Bar, Bars, Curve, Curves, Group, Picture, Point
from threadserver.comparison.intervals import Estimate, paired
from threadserver.comparison.number_format import amount, interval, listed, number
from threadserver.comparison.summary import FIGURES, Summary

LAST = 99.9
"""The percentile at which a latency curve ends: beyond it a short run has too few requests."""
POINTS = 4
"""Points of a curve for each halving of the distance to 100 %."""
ENOUGH_BEYOND = 10
"""A percentile is drawn only if at least this number of requests lies beyond it."""


def groups(summary: Summary) -> list[Group]:
    """Return all groups that have a picture, the most important first."""
    every = [
        _throughput(summary), _slow(summary), _sleep(summary), _spin(summary), _latency(summary),
        _of_figure(summary, "memory", "Memory per connection", "Proportional memory (PSS) of all processes with "
                   "silent connections, minus their memory without, divided by the number of connections. The kernel's "
                   "own memory for sockets and tasks is not included."),
        _of_figure(summary, "cpu", "Processor time per request", "CPU seconds of all processes of the server, as "
                   "the kernel counts them, divided by the requests answered meanwhile."),
        _tasks(summary),
        _of_figure(summary, "switches", "Context switches per request", "How often the server's tasks leave their "
                   "core, voluntarily or not. If tasks end during the count, their counts are lost and the figure is "
                   "not shown."),
        _fairness(summary), _octets(summary),
    ]  # fmt: skip
    return [group for group in every if group.pictures]


def bars(
    summary: Summary, cell: Cell, estimates: dict[str, Estimate | None], unit: str, mark: float | None = None
) -> Bars:
    """Make bars for one figure of each contestant; those without the figure show the reason."""
    found = []
    for name in summary.results.names:
        value, fault = estimates.get(name), summary.fault(name, cell)
        note = f"{fault.outcome}: {fault.why}" if fault else ""
        family = summary.results.families[name]
        if value is None:
            if name in estimates and summary.runs(name, cell):
                found.append(Bar(name, family, note=note or "not counted"))
            continue
        low, high = (max(value.low, 0.0), value.high) if value.bounded else (None, None)
        star = " *" if unit == "requests/s" and summary.limited(name, cell) else ""
        said = amount(value.median, unit) + star + (f" ({summary.word(name, cell)})" if fault else "")
        found.append(Bar(name, family, value.median, low, high, said, note))
    return Bars(found, unit, mark)


def ordered(chart: Bars, *, more_is_better: bool) -> Bars:
    """Sort the best to the top, and those without a value to the bottom."""
    sign = -1 if more_is_better else 1
    key: Callable[[Bar], tuple[bool, float]] = lambda bar: (bar.value is None, sign * (bar.value or 0.0))  # noqa: E731
    return Bars(sorted(chart.bars, key=key), chart.unit, chart.mark)


def _bars_of(summary: Summary, figure: str, cell: Cell, mark: float | None = None) -> Bars:
    estimates = {name: summary.estimate(figure, name, cell) for name in summary.results.names}
    chart = bars(summary, cell, estimates, FIGURES[figure].unit, mark)
    return ordered(chart, more_is_better=FIGURES[figure].more_is_better)


def _has(summary: Summary, figure: str, cell: Cell) -> bool:
    return any(summary.values(figure, name, cell) for name in summary.results.names)


def _of_figure(summary: Summary, figure: str, title: str, about: str) -> Group:
    group = Group(figure, title, about)
    for cell in summary.cells:
        if _has(summary, figure, cell):
            chart = _bars_of(summary, figure, cell)
            sentence = findings.leader(summary, figure, cell) + _uncounted(summary, figure)
            group.pictures.append(Picture(str(cell), sentence, chart, cell.workload))
    return group


def _uncounted(summary: Summary, figure: str) -> str:
    names = [name for name in summary.results.names if figure == "cpu" and summary.uncounted(name)]
    if not names:
        return ""
    return f" For {listed(names)} the kernel does not count children that have ended (SIGCHLD is ignored)."


def _throughput(summary: Summary) -> Group:
    group = Group(
        "throughput", "Throughput", "Correct answers per second, as the clients see them; for churn and octets, "
        "connections per second. The median of the rounds, with its 95 % interval. "
        "* marks figures that the load generator may have limited.",
    )  # fmt: skip
    measured = [cell for cell in summary.cells if _has(summary, "throughput", cell) or cell.workload != "idle"]
    for (workload, rate), same in groupby(measured, key=lambda cell: (cell.workload, cell.rate)):
        cells = sorted(same)
        if len(cells) == 1:
            chart = _bars_of(summary, "throughput", cells[0])
            picture = Picture(str(cells[0]), findings.leader(summary, "throughput", cells[0]), chart, workload)
        else:
            picture = Picture(
                f"{workload}: {TITLES[workload]}" + (f", {rate:g} requests/s" if rate else ""),
                findings.growth(summary, cells), _over_connections(summary, cells), workload,
            )  # fmt: skip
        group.pictures.append(picture)
    return group


def _over_connections(summary: Summary, cells: list[Cell]) -> Curves:
    curves = []
    for name in summary.results.names:
        points, notes = [], []
        for cell in cells:
            found, fault = summary.estimate("throughput", name, cell), summary.fault(name, cell)
            if found:
                low, high = (max(found.low, 0.0), found.high) if found.bounded else (None, None)
                star = " *" if summary.limited(name, cell) else ""
                text = f"{name}, {cell}: {amount(found.median, 'requests/s')}{star} ({interval(found, 'requests/s')})"
                points.append(Point(cell.connections, found.median, low, high, text))
            if fault:
                notes.append(f"{number(cell.connections)}: {fault.outcome}")
        starred = bool(points and summary.limited(name, cells[-1]))
        curves.append(Curve(name, summary.results.families[name], points, "; ".join(notes), starred))
    ticks = [(cell.connections, number(cell.connections)) for cell in cells]
    return Curves(curves, "connections", ticks, "requests/s")


def _latency(summary: Summary) -> Group:
    group = Group(
        "latency", "Latency", "The time within which a percentage of the requests is answered: the HDR curve of all "
        "rounds together. The axis is stretched towards 100 %, where the worst cases are. In open loop a request's "
        "time begins when it is due, so that a server cannot hide a stall.",
    )  # fmt: skip
    for cell in summary.cells:
        curves = [_curve(summary, name, cell) for name in summary.results.names]
        if any(curve.points for curve in curves):
            ticks = [(0.0, "0"), (50.0, "50"), (90.0, "90"), (99.0, "99"), (99.9, "99.9")]
            chart = Curves(curves, "percent of requests", ticks, "seconds", "percentile", "log")
            group.pictures.append(Picture(str(cell), findings.latency(summary, cell), chart, cell.workload))
    return group


def _curve(summary: Summary, name: str, cell: Cell) -> Curve:
    points = [
        Point(percent, seconds, text=f"{name}: {percent:.4g} % within {amount(seconds, 'seconds')}")
        for percent, seconds in _thinned(summary.latency(name, cell))
    ]
    return Curve(name, summary.results.families[name], points)


def _thinned(latency: Latency) -> list[tuple[float, float]]:
    """Return the points of a curve up to the percentile that still has enough requests beyond it."""
    end = min(LAST, 100 * (1 - ENOUGH_BEYOND / latency.count)) if latency.count > ENOUGH_BEYOND else 0.0
    return [(percent, seconds) for percent, seconds in latency.curve(POINTS) if percent <= end]


def _tasks(summary: Summary) -> Group:
    group = Group("tasks", "Tasks", "Threads of all processes under load, including each process's first.")
    for cell in summary.cells:
        if _has(summary, "tasks", cell):
            chart = _bars_of(summary, "tasks", cell)
            group.pictures.append(Picture(str(cell), findings.tasks(summary, cell), chart, cell.workload))
    return group


def _fairness(summary: Summary) -> Group:
    group = Group(
        "fairness", "Fairness", "Jain's index over the answers that each client got: 1 if all got the same, 1/n if one "
        "of n got everything. A client that waits in the queue of a busy server got nothing.",
    )  # fmt: skip
    for cell in summary.cells:
        if cell.connections > 1 and _has(summary, "fairness", cell):
            chart = _bars_of(summary, "fairness", cell, mark=1.0)
            group.pictures.append(Picture(str(cell), findings.fairness(summary, cell), chart, cell.workload))
    return group


def _slow(summary: Summary) -> Group:
    group = Group(
        "slow", "Slow clients", "The share of their throughput that fast clients keep next to a few slow ones. Every "
        "other slow client sends half a line and waits; the rest do not read their answers.",
    )  # fmt: skip
    for cell in summary.cells:
        if cell.workload == "slow":
            kept = kept_beside_slow(summary, cell)
            chart = ordered(bars(summary, cell, kept, "%", mark=100.0), more_is_better=True)
            group.pictures.append(Picture(str(cell), findings.slow(summary, cell, kept), chart, "slow"))
    return group


def kept_beside_slow(summary: Summary, cell: Cell) -> dict[str, Estimate | None]:
    """Return the percentage of its `echo` throughput that each contestant keeps; None if no client is served.

    Both are over the same number of connections; contestants without both are left out.
    """
    alone = Cell("echo", cell.connections, cell.rate)
    found: dict[str, Estimate | None] = {}
    for name in summary.results.names:
        without = summary.values("throughput", name, alone)
        fault = summary.fault(name, cell)
        if without and summary.runs(name, cell) and (not fault or fault.counted or fault.outcome == "hung"):
            beside = summary.values("throughput", name, cell)
            found[name] = paired({number: 100 * value for number, value in beside.items()}, without)
    return found


def _sleep(summary: Summary) -> Group:
    group = Group(
        "sleep", "A back end that blocks", "How many requests wait for the back end at once, on average: answers per "
        "second times the time that each waits. The line marks all requests.",
    )  # fmt: skip
    for cell in summary.cells:
        if cell.workload == "sleep":
            chart = _bars_of(summary, "overlap", cell, mark=float(cell.connections))
            group.pictures.append(Picture(str(cell), findings.sleep(summary, cell), chart, "sleep"))
    return group


def _spin(summary: Summary) -> Group:
    group = Group(
        "spin", "Computing", "On how many cores the server computes at once: answers per second times the CPU time "
        "of each. The line marks all cores; only here the servers also use the generator's cores.",
    )  # fmt: skip
    cores = len({*summary.results.servers, *summary.results.generators})
    for cell in summary.cells:
        if cell.workload == "spin":
            chart = _bars_of(summary, "overlap", cell, mark=float(cores))
            group.pictures.append(Picture(str(cell), findings.spin(summary, cell), chart, "spin"))
    return group


def _octets(summary: Summary) -> Group:
    group = Group(
        "octets", "The classic table",
        f"CPU seconds beyond the iterative server's, for {classic_table.CONNECTIONS} connections that each ask once "
        "for 4000 bytes: the cost of concurrency itself (Stevens, Fenner, Rudoff: UNIX Network Programming, volume 1, "
        "third edition, 2003, figure 30.1). The book's servers are written in C and ran on a processor of their time: "
        "compare the order, not the seconds.",
    )  # fmt: skip
    cell = classic_table.cell_of(summary)
    if cell:
        estimates = {
            name: classic_table.today(summary, name, cell) for name in summary.results.names if name != "iterative"
        }
        if any(estimates.values()):
            chart = ordered(bars(summary, cell, estimates, "seconds"), more_is_better=False)
            group.pictures.append(Picture(str(cell), findings.octets(summary, cell), chart, "octets"))
    return group

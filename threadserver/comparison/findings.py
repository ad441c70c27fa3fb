"""The findings of each picture, in one or two sentences computed from the numbers.

Only differences that `Summary.compare` claims are called more, less, faster or slower; all others are "no clear
difference".
"""

from collections.abc import Iterable, Iterator
from itertools import groupby

from threadserver.comparison import classic_table
from threadserver.comparison.cells import MILLISECONDS, SLOW_CLIENTS, Cell
from threadserver.comparison.intervals import Estimate, paired
from threadserver.comparison.number_format import amount, interval, listed, number, times
from threadserver.comparison.results import Results
from threadserver.comparison.summary import FIGURES, LIMITED, NO_DIFFERENCE, Summary

MANY_LATENCIES = 10_000
"""From this number of latencies on, a sentence gives the slowest of a thousand."""
ON_TIME = 0.98
"""A server that answers less than this share of the requested rate is not keeping up."""
NEGLECT_RATIO = 10
"""A server that gives one client this many times the answers of another neglects the other."""
MOST_NAMED = 5
"""With more names than this, a sentence gives their number."""
BEST = {
    "throughput": "{name} is fastest: {value} ({interval}).",
    "cpu": "{name} needs the least processor time per request: {value} ({interval}).",
    "memory": "{name} needs the least memory per silent connection: {value} ({interval}).",
    "switches": "{name} has the fewest context switches: {value} per request ({interval}).",
}
ALONE = {
    "throughput": "{name} answers {value} ({interval}).",
    "cpu": "{name} needs {value} of processor time per request ({interval}).",
    "memory": "{name} needs {value} of memory per silent connection ({interval}).",
    "switches": "{name} has {value} context switches per request ({interval}).",
}


def leader(summary: Summary, figure: str, cell: Cell) -> str:
    """Say which server is best, which do not clearly differ, and how far the last is behind."""
    ranked = summary.faultless(figure, cell)
    if not ranked:
        return left_out(summary, cell) or nothing_measured(summary.results)
    if cell.rate and figure == "throughput":
        return _rated(summary, cell)
    name, best = ranked[0]
    unit = FIGURES[figure].unit
    sentence = (BEST if len(summary.results.names) > 1 else ALONE)[figure]
    said = [sentence.format(name=name, value=amount(best.median, unit), interval=interval(best, unit))]
    if len(ranked) > 1:
        said += [_equals(summary, figure, cell, ranked), _last(summary, figure, cell, ranked)]
    return " ".join(filter(None, [*said, left_out(summary, cell)]))


def _rated(summary: Summary, cell: Cell) -> str:
    """Say which servers keep up with a rate: at a fixed rate none can be faster."""
    whole = [name for name, _ in summary.faultless("throughput", cell)]
    late = [name for name in whole if summary.fault(name, cell) or _behind(summary, name, cell)]
    steady = [name for name in whole if name not in late]
    said = []
    if steady:
        said.append(f"{listed(steady)} {'keeps' if len(steady) == 1 else 'keep'} up with {cell.rate:g} requests/s.")
    if late:
        what = "" if steady else f" keep up with {cell.rate:g} requests/s"
        said.append(f"{listed(late)} {'does' if len(late) == 1 else 'do'} not{what}.")
    return " ".join(filter(None, [*said, left_out(summary, cell)]))


def _behind(summary: Summary, name: str, cell: Cell) -> bool:
    """Tell whether the rounds together show that a contestant answers less than the rate, even slightly.

    If its answers take longer than the warm-up, it is not at full speed when the measured time begins: no claim then.
    """
    found, half = summary.estimate("throughput", name, cell), summary.estimate("p50", name, cell)
    prompt = half and half.median < summary.results.pace["warm_up"]
    return bool(found and found.bounded and prompt and cell.rate and found.high < ON_TIME * cell.rate)


def left_out(summary: Summary, cell: Cell) -> str:
    """Name the contestants with faults, and the faults."""
    short: dict[str, list[str]] = {}
    for name in summary.results.names:
        if summary.has_fault(name, cell):
            short.setdefault(summary.word(name, cell), []).append(name)
    return f"Left out: {'; '.join(f'{listed(names)} ({word})' for word, names in short.items())}." if short else ""


def _unclear(names: Iterable[str], *judged: list[str]) -> str:
    """Name the contestants that have not been judged, because their rounds vary too much for their number."""
    rest = [name for name in names if not any(name in group for group in judged)]
    return f"Too few rounds to judge {listed(rest)}." if rest else ""


def connections(cell: Cell) -> str:
    """Return the number of connections in words."""
    return "1 connection" if cell.connections == 1 else f"{number(cell.connections)} connections"


def nothing_measured(results: Results) -> str:
    """Say that there are no figures, and why."""
    return "Not measured" + (": the comparison was interrupted." if results.interrupted else ".")


def _equals(summary: Summary, figure: str, cell: Cell, ranked: list[tuple[str, Estimate]]) -> str:
    best = ranked[0][0]
    verdicts = {name: summary.compare(figure, best, name, cell) for name, _ in ranked[1:]}
    equal = [name for name, verdict in verdicts.items() if verdict and verdict.word == NO_DIFFERENCE]
    limited = [name for name, verdict in verdicts.items() if verdict and verdict.word == LIMITED]
    others = listed(equal) if len(equal) <= MOST_NAMED else f"{len(equal)} others"
    said = [f"No clear difference from {others}."] if equal else []
    if limited:
        said.append(f"{listed(limited)} may be as good: the load generator was the bottleneck.")
    if verdicts and all(verdict and not verdict.ratio.bounded for verdict in verdicts.values()):
        said.append("Too few rounds to judge differences.")
    return " ".join(said)


def _last(summary: Summary, figure: str, cell: Cell, ranked: list[tuple[str, Estimate]]) -> str:
    """Say how far the last contestant with a claimed difference is behind."""
    best = ranked[0][0]
    for name, _ in reversed(ranked[1:]):
        verdict = summary.compare(figure, name, best, cell)
        if verdict and verdict.claims and verdict.ratio.median > 0:
            ratio = verdict.ratio
            if FIGURES[figure].more_is_better:
                return f"{name} reaches {number(100 * ratio.median)} % of that ({_percent(ratio)})."
            low, high = number(ratio.low), number(ratio.high)
            return f"{name} needs {times(ratio.median)} as much ({low} to {high})."
    return ""


def _percent(ratio: Estimate) -> str:
    return f"{number(100 * ratio.low)} to {number(100 * ratio.high)} %"


def _tasks(count: float) -> str:
    return "1 task" if count == 1 else f"{number(count)} tasks"


def _all(ranked: list[tuple[str, Estimate]]) -> str:
    return ranked[0][0] if len(ranked) == 1 else f"All {len(ranked)}"


def growth(summary: Summary, cells: list[Cell]) -> str:
    """Say which server is fastest over the most connections, and which has lost most of its best throughput there."""
    said = f"Over {connections(cells[-1])} {leader(summary, 'throughput', cells[-1])}"
    shares = {name: _kept(summary, name, cells) for name, _ in summary.faultless("throughput", cells[-1])}
    fallen = {name: share for name, share in shares.items() if share and share.bounded and share.high < 0.9}
    if not fallen:
        return said
    worst, share = min(fallen.items(), key=lambda one: one[1].median)
    return f"{said} {worst} falls most, to {number(100 * share.median)} % of its best ({_percent(share)})."


def _kept(summary: Summary, name: str, cells: list[Cell]) -> Estimate | None:
    """Return the share of its best throughput that a contestant keeps in the last cell, round by round."""
    found = {cell: summary.estimate("throughput", name, cell) for cell in cells}
    best = max(cells, key=lambda cell: one.median if (one := found[cell]) else 0.0)
    return paired(summary.values("throughput", name, cells[-1]), summary.values("throughput", name, best))


def latency(summary: Summary, cell: Cell) -> str:
    """Say how long half of the requests take, and the slowest of a thousand or a hundred, as in the picture."""
    found = {name: summary.latency(name, cell) for name, _ in summary.faultless("p50", cell)}
    if not found:
        return left_out(summary, cell) or nothing_measured(summary.results)
    rare, percent = (
        ("thousand", 99.9) if min(one.count for one in found.values()) >= MANY_LATENCIES else ("hundred", 99.0)
    )
    half = sorted((one.percentile(50) or 0.0, name) for name, one in found.items())
    tail = sorted((one.percentile(percent) or 0.0, name) for name, one in found.items())
    said = (
        f"{half[0][1]} sends half of its answers within {amount(half[0][0], 'seconds')}. One answer in a {rare} takes "
        f"{amount(tail[0][0], 'seconds')} or longer with {tail[0][1]}"
    )
    if len(tail) > 1:
        said += f", and {amount(tail[-1][0], 'seconds')} or longer with {tail[-1][1]}"
    kind = f"open loop at {cell.rate:g} requests/s, counted from when each was due" if cell.rate else "closed loop"
    kind += "; all rounds together"
    return f"{said} ({kind}). {left_out(summary, cell)}".strip()


def fairness(summary: Summary, cell: Cell) -> str:
    """Say which servers treat all clients alike, and which do not."""
    ranked = summary.ranking("fairness", cell)
    if not ranked:
        return nothing_measured(summary.results)
    unfair = []
    for name, found in ranked:
        least, most = summary.extremes(name, cell)
        if found.median < 0.9 or NEGLECT_RATIO * least < most:
            unfair.append(f"{name} ({found.median:.2f}: {number(least)} to {number(most)} answers)")
    alike = len(ranked) - len(unfair)
    if not unfair:
        verb = "serves its" if alike == 1 else "serve their"
        return f"{_all(ranked)} {verb} clients equally: Jain's index is 0.9 or more, and 1 would be perfect."
    verb = "serves its" if alike == 1 else "serve their"
    said = f"{alike} of {len(ranked)} {verb} clients equally" if alike else "None serves its clients equally"
    return f"{said}; some clients get more than others from {listed(unfair)}."


def tasks(summary: Summary, cell: Cell) -> str:
    """Say how many tasks the connections cost."""
    ranked = summary.faultless("tasks", cell)
    if not ranked:
        return left_out(summary, cell) or nothing_measured(summary.results)
    few = [name for name, found in ranked if found.median == ranked[0][1].median]
    many, most = ranked[-1]
    verb = "needs" if len(few) == 1 else "each need"
    said = f"For {connections(cell)}, {listed(few)} {verb} {_tasks(ranked[0][1].median)}"
    said += f"; {many} has {_tasks(most.median)}." if many not in few else "."
    return f"{said} {left_out(summary, cell)}".strip()


def slow(summary: Summary, cell: Cell, kept: dict[str, Estimate | None]) -> str:
    """Say which servers a few slow clients block: head-of-line blocking."""
    blocked = [name for name, share in kept.items() if share is None or (share.bounded and share.high < 10)]
    whole = {name: share for name, share in kept.items() if share and not summary.has_fault(name, cell)}
    held = [name for name, share in whole.items() if share.bounded and share.low >= 50]
    losing = [name for name, share in whole.items() if share.bounded and 10 <= share.high < 50]
    said = []
    if blocked:
        said.append(f"With {listed(blocked)}, {SLOW_CLIENTS} slow clients block all others: head-of-line blocking.")
    if held:
        said.append(f"With {listed(held)}, fast clients keep half of their throughput or more.")
    if losing:
        said.append(f"With {listed(losing)}, fast clients lose more than half of their throughput.")
    said.append(_unclear(whole, blocked, held, losing))
    said.append(left_out(summary, cell))
    if not kept and summary.ranking("throughput", cell):
        said.append("To see what the fast clients lose, also measure echo with the same --connections.")
    return " ".join(filter(None, said)) or nothing_measured(summary.results)


def sleep(summary: Summary, cell: Cell) -> str:
    """Say which servers let several requests wait for a blocking back end at once."""
    ranked = summary.ranking("overlap", cell)
    if not ranked:
        return nothing_measured(summary.results)
    if cell.connections == 1:
        return "One connection sends one request at a time: there is no waiting to hide."
    hides = [name for name, found in ranked if found.bounded and found.low >= min(2, cell.connections * 0.75)]
    blocks = [name for name, found in ranked if found.bounded and found.high < 1.2]
    each = f"each waits {MILLISECONDS['sleep']} ms for a back end that blocks"
    said = [f"{cell.connections} requests at once, {each}."]
    if hides:
        most = number(dict(ranked)[hides[0]].median)
        said.append(f"{hides[0]} lets {most} wait at once, and so hides the back end.")
    if blocks:
        said.append(f"{listed(blocks)} {'handles' if len(blocks) == 1 else 'handle'} one after the other.")
    said.append(_unclear(dict(ranked), hides, blocks))
    return " ".join(filter(None, said))


def spin(summary: Summary, cell: Cell) -> str:
    """Say which servers compute on more than one core, and which the GIL limits to one."""
    ranked = summary.ranking("overlap", cell)
    if not ranked:
        return nothing_measured(summary.results)
    cores = len({*summary.results.servers, *summary.results.generators})
    several = [name for name, found in ranked if found.low > 1.1] if cores > 1 else []
    single = [name for name, found in ranked if found.bounded and found.high <= 1.2]
    lock = "a global lock (GIL)" if summary.results.interpreter["gil"] else "no global lock"
    said = [f"{cores} {'core' if cores == 1 else 'cores'}, and an interpreter with {lock}."]
    if several:
        said.append(f"{listed(several)} {'computes' if len(several) == 1 else 'compute'} on more than one core.")
    if single:
        said.append(f"{listed(single)} {'uses' if len(single) == 1 else 'use'} one core or less.")
    if cores > 1:
        said.append(_unclear(dict(ranked), several, single))
    return " ".join(filter(None, said))


def octets(summary: Summary, cell: Cell) -> str:
    """Say for which designs the book's order holds today."""
    orders = classic_table.orders(summary, cell)
    if not orders:
        return "The table needs iterative and at least two other designs of the book."
    holds = [order for order in orders if order.holds]
    turned = [order for order in orders if order.holds is False]
    unclear = len(orders) - len(holds) - len(turned)
    pairs = "1 pair" if len(orders) == 1 else f"{len(orders)} pairs"
    text = f"Of {pairs} of designs, the book's order holds today for {len(holds)}, is reversed for {len(turned)}, "
    text += f"and is unclear for {unclear}."
    if turned:
        text += f" Reversed: {'; '.join(_costs_more(turned))}."
    return text


def _costs_more(turned: list[classic_table.Order]) -> Iterator[str]:
    for dearer, orders in groupby(turned, key=lambda order: order.cheaper.model):
        yield f"{dearer} now costs more than {listed([order.dearer.model for order in orders])}"

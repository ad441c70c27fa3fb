"""What is to be seen in a picture, in one or two sentences that are computed from the numbers.

Only what `Summary.compare` claims is called more, less, faster or slower; all else is "no difference seen".
"""

from collections.abc import Iterator
from itertools import groupby

from threadserver.comparison import classic_table
from threadserver.comparison.cells import MILLISECONDS, SLOW_CLIENTS, Cell
from threadserver.comparison.intervals import Estimate, paired
from threadserver.comparison.number_format import amount, interval, listed, number, times
from threadserver.comparison.results import Results
from threadserver.comparison.summary import FIGURES, LIMITED, NO_DIFFERENCE, Summary

MANY_LATENCIES = 10_000
"""So many latencies say how long one of a thousand takes."""
ON_TIME = 0.98
"""Who is sure to answer a smaller part of a rate does not keep up with it."""
NEGLECT_RATIO = 10
"""Who gives one client so many times as many answers as another neglects it, however few they are."""
MOST_NAMED = 5
"""So many are named; of more their number is given."""
BEST = {
    "throughput": "{name} answers most: {value} ({interval}).",
    "cpu": "A request costs {name} least processor time: {value} ({interval}).",
    "memory": "A silent connection costs {name} least memory: {value} ({interval}).",
    "switches": "{name} leaves its core least often: {value} times a request ({interval}).",
}
ALONE = {
    "throughput": "{name} answers {value} ({interval}).",
    "cpu": "A request costs {name} {value} of processor time ({interval}).",
    "memory": "A silent connection costs {name} {value} of memory ({interval}).",
    "switches": "{name} leaves its core {value} times a request ({interval}).",
}


def leader(summary: Summary, figure: str, cell: Cell) -> str:
    """Say who is best, who cannot be told from it, and how far the last is behind."""
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
    """Say who keeps up with a rate: at a fixed one nobody can be faster."""
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
    """Whether the rounds together say that a contestant answers less than the rate, be it by little.

    Whose answers take longer than the warm-up has not got going when the measured time begins: of that one nothing is
    said.
    """
    found, half = summary.estimate("throughput", name, cell), summary.estimate("p50", name, cell)
    prompt = half and half.median < summary.results.pace["warm_up"]
    return bool(found and found.bounded and prompt and cell.rate and found.high < ON_TIME * cell.rate)


def left_out(summary: Summary, cell: Cell) -> str:
    """Name with whom something went wrong, and what."""
    short: dict[str, list[str]] = {}
    for name in summary.results.names:
        if summary.has_fault(name, cell):
            short.setdefault(summary.word(name, cell), []).append(name)
    return f"Left out: {'; '.join(f'{listed(names)} ({word})' for word, names in short.items())}." if short else ""


def too_few_rounds(names: list[str]) -> str:
    """Name those of whom nothing can be said."""
    return f"Of {listed(names)} the rounds tell too little." if names else ""


def connections(cell: Cell) -> str:
    """Say over how many connections."""
    return "one connection" if cell.connections == 1 else f"{number(cell.connections)} connections"


def nothing_measured(results: Results) -> str:
    """Say why there is nothing to be seen."""
    return "Nothing was measured here" + (", the comparison was interrupted." if results.interrupted else ".")


def _equals(summary: Summary, figure: str, cell: Cell, ranked: list[tuple[str, Estimate]]) -> str:
    best = ranked[0][0]
    verdicts = {name: summary.compare(figure, best, name, cell) for name, _ in ranked[1:]}
    equal = [name for name, verdict in verdicts.items() if verdict and verdict.word == NO_DIFFERENCE]
    limited = [name for name, verdict in verdicts.items() if verdict and verdict.word == LIMITED]
    others = listed(equal) if len(equal) <= MOST_NAMED else f"{len(equal)} others"
    said = [f"No difference seen to {others}."] if equal else []
    if limited:
        said.append(f"{listed(limited)} may be as good: the load generator was the limit.")
    if verdicts and all(verdict and not verdict.ratio.bounded for verdict in verdicts.values()):
        said.append("There are too few rounds to tell differences.")
    return " ".join(said)


def _last(summary: Summary, figure: str, cell: Cell, ranked: list[tuple[str, Estimate]]) -> str:
    """Say by how much the last that may be called behind is behind."""
    best = ranked[0][0]
    for name, _ in reversed(ranked[1:]):
        verdict = summary.compare(figure, name, best, cell)
        if verdict and verdict.claims and verdict.ratio.median > 0:
            ratio = verdict.ratio
            if FIGURES[figure].more_is_better:
                return f"{name} does {number(100 * ratio.median)} % of that ({_percent(ratio)})."
            low, high = number(ratio.low), number(ratio.high)
            return f"{name} takes {times(ratio.median)} as much ({low} to {high})."
    return ""


def _percent(ratio: Estimate) -> str:
    return f"{number(100 * ratio.low)} to {number(100 * ratio.high)} %"


def growth(summary: Summary, cells: list[Cell]) -> str:
    """Say who loses most from the fewest connections on which there was something to lose to the most."""
    said = f"Over {connections(cells[-1])} {leader(summary, 'throughput', cells[-1])}"
    shares = {name: _kept(summary, name, cells) for name, _ in summary.faultless("throughput", cells[-1])}
    fallen = {name: share for name, share in shares.items() if share and share.bounded and share.high < 0.9}
    if not fallen:
        return said
    worst, share = min(fallen.items(), key=lambda one: one[1].median)
    return f"{said} From its best, {worst} has fallen to {number(100 * share.median)} % ({_percent(share)})."


def _kept(summary: Summary, name: str, cells: list[Cell]) -> Estimate | None:
    """Give what a contestant has kept of its best over the last cell's connections, round by round."""
    found = {cell: summary.estimate("throughput", name, cell) for cell in cells}
    best = max(cells, key=lambda cell: one.median if (one := found[cell]) else 0.0)
    return paired(summary.values("throughput", name, cells[-1]), summary.values("throughput", name, best))


def latency(summary: Summary, cell: Cell) -> str:
    """Say how long half of the requests take, and how long the slowest of a thousand or a hundred: as it is drawn."""
    found = {name: summary.latency(name, cell) for name, _ in summary.faultless("p50", cell)}
    if not found:
        return left_out(summary, cell) or nothing_measured(summary.results)
    rare, percent = (
        ("thousand", 99.9) if min(one.count for one in found.values()) >= MANY_LATENCIES else ("hundred", 99.0)
    )
    half = sorted((one.percentile(50) or 0.0, name) for name, one in found.items())
    tail = sorted((one.percentile(percent) or 0.0, name) for name, one in found.items())
    said = (
        f"Half of the answers come within {amount(half[0][0], 'seconds')} from {half[0][1]}; one of a {rare} takes "
        f"{amount(tail[0][0], 'seconds')} or longer from {tail[0][1]}"
    )
    if len(tail) > 1:
        said += f", and {amount(tail[-1][0], 'seconds')} or longer from {tail[-1][1]}"
    kind = f"open loop at {cell.rate:g} requests/s: counted from when each was due" if cell.rate else "closed loop"
    kind += ", all rounds together"
    return f"{said} ({kind}). {left_out(summary, cell)}".strip()


def fairness(summary: Summary, cell: Cell) -> str:
    """Say who serves all alike, and who does not."""
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
        return f"All {alike} serve their clients alike: Jain's index is 0.9 or more, 1 would be perfect."
    return f"{alike} of {len(ranked)} serve all clients alike; some get more than others from {listed(unfair)}."


def tasks(summary: Summary, cell: Cell) -> str:
    """Say how many tasks a crowd costs."""
    ranked = summary.faultless("tasks", cell)
    if not ranked:
        return left_out(summary, cell) or nothing_measured(summary.results)
    few = [name for name, found in ranked if found.median == ranked[0][1].median]
    many, most = ranked[-1]
    verb = "gets" if len(few) == 1 else "get"
    said = f"For {connections(cell)} {listed(few)} {verb} by with {number(ranked[0][1].median)}"
    said += f"; {many} has {number(most.median)}." if many not in few else " each."
    return f"{said} {left_out(summary, cell)}".strip()


def slow(summary: Summary, cell: Cell, kept: dict[str, Estimate | None]) -> str:
    """Say whom a few slow clients block: head-of-line blocking."""
    blocked = [name for name, share in kept.items() if share is None or (share.bounded and share.high < 10)]
    whole = {name: share for name, share in kept.items() if share and not summary.has_fault(name, cell)}
    held = [name for name, share in whole.items() if share.bounded and share.low >= 50]
    losing = [name for name, share in whole.items() if share.bounded and 10 <= share.high < 50]
    unclear = [name for name in whole if name not in (*blocked, *held, *losing)]
    said = []
    if blocked:
        said.append(f"{SLOW_CLIENTS} slow clients stop all others at {listed(blocked)}: head-of-line blocking.")
    if held:
        said.append(f"At {listed(held)} the fast ones keep half of their throughput or more.")
    if losing:
        said.append(f"At {listed(losing)} they lose more than half of it.")
    said.append(too_few_rounds(unclear))
    said.append(left_out(summary, cell))
    if not kept and summary.ranking("throughput", cell):
        said.append("What the fast ones lose is told where echo is measured over as many connections, too.")
    return " ".join(filter(None, said)) or nothing_measured(summary.results)


def sleep(summary: Summary, cell: Cell) -> str:
    """Say who lets several requests wait for a blocking back end at once."""
    ranked = summary.ranking("overlap", cell)
    if not ranked:
        return nothing_measured(summary.results)
    if cell.connections == 1:
        return "One connection asks for one thing at a time: there is nothing to be hidden."
    hides = [name for name, found in ranked if found.bounded and found.low >= min(2, cell.connections * 0.75)]
    blocks = [name for name, found in ranked if found.bounded and found.high < 1.2]
    each = f"each waits {MILLISECONDS['sleep']} ms for a back end that blocks"
    said = [f"{cell.connections} requests at once, {each}."]
    if hides:
        most = number(dict(ranked)[hides[0]].median)
        said.append(f"{hides[0]} lets {most} wait at a time: the back end is hidden.")
    if blocks:
        said.append(f"{listed(blocks)} {'waits' if len(blocks) == 1 else 'wait'} for one after the other.")
    said.append(too_few_rounds([name for name, _ in ranked if name not in (*hides, *blocks)]))
    return " ".join(filter(None, said))


def spin(summary: Summary, cell: Cell) -> str:
    """Say who computes on more than one core, and who is kept from it by the GIL."""
    ranked = summary.ranking("overlap", cell)
    if not ranked:
        return nothing_measured(summary.results)
    cores = len({*summary.results.servers, *summary.results.generators})
    several = [name for name, found in ranked if found.low > 1.1] if cores > 1 else []
    single = [name for name, found in ranked if found.bounded and found.high <= 1.2]
    lock = "one global lock (GIL)" if summary.results.interpreter["gil"] else "no global lock"
    said = [f"{cores} cores, an interpreter with {lock}."]
    if several:
        said.append(f"{listed(several)} {'computes' if len(several) == 1 else 'compute'} on more than one.")
    if single:
        said.append(f"{listed(single)} {'does' if len(single) == 1 else 'do'} the work of one core, or less.")
    if cores > 1:
        said.append(too_few_rounds([name for name, _ in ranked if name not in (*several, *single)]))
    return " ".join(filter(None, said))


def octets(summary: Summary, cell: Cell) -> str:
    """Say where the book's order holds today and where not."""
    orders = classic_table.orders(summary, cell)
    if not orders:
        return "The table needs iterative and at least two of the book's other designs."
    holds = [order for order in orders if order.holds]
    turned = [order for order in orders if order.holds is False]
    said = [f"Of {len(orders)} pairs of designs the book's order holds today in {len(holds)}"]
    said.append(f"is turned round in {len(turned)} and cannot be told in {len(orders) - len(holds) - len(turned)}.")
    text = ", ".join(said)
    if turned:
        text += f" Turned round: {'; '.join(_costs_more(turned))}."
    return text


def _costs_more(turned: list[classic_table.Order]) -> Iterator[str]:
    for dearer, orders in groupby(turned, key=lambda order: order.cheaper.model):
        yield f"{dearer} now costs more than {listed([order.dearer.model for order in orders])}"

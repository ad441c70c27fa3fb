"""What is to be seen in a picture, in one or two sentences that are computed from the numbers.

Only what `Summary.compare` claims is called more, less, faster or slower; all else is "no difference seen".
"""

from collections.abc import Iterator
from itertools import groupby

from threadserver.comparison import stevens
from threadserver.comparison.intervals import Estimate
from threadserver.comparison.results import Results
from threadserver.comparison.summary import FIGURES, LIMITED, NO_DIFFERENCE, Summary
from threadserver.comparison.wording import amount, interval, listed, number, times
from threadserver.comparison.workloads import MILLISECONDS, SLOW_CLIENTS, Cell

NAMED = 5
"""So many are named; of more their number is given."""
BEST = {
    "throughput": "{name} answers most: {value} ({interval}).",
    "cpu": "A request costs {name} least processor time: {value} ({interval}).",
    "memory": "A silent connection costs {name} least memory: {value} ({interval}).",
    "switches": "{name} leaves its core least often: {value} times a request ({interval}).",
    "tasks": "{name} gets by with {value} tasks.",
}


def leader(summary: Summary, figure: str, cell: Cell) -> str:
    """Say who is best, who cannot be told from it, and how far the last is behind."""
    ranked = summary.whole(figure, cell)
    if not ranked:
        return fallen_short(summary, cell) or nothing(summary.results)
    name, best = ranked[0]
    unit = FIGURES[figure].unit
    said = [BEST[figure].format(name=name, value=amount(best.median, unit), interval=interval(best, unit))]
    if len(ranked) > 1:
        said += [_equals(summary, figure, cell, ranked), _last(summary, figure, cell, ranked)]
    return " ".join(filter(None, [*said, fallen_short(summary, cell)]))


def fallen_short(summary: Summary, cell: Cell) -> str:
    """Name who did not serve every client."""
    short = [name for name in summary.results.names if summary.fell_short(name, cell)]
    return f"Not every client was served by {listed(short)}." if short else ""


def over(cell: Cell) -> str:
    """Say over how many connections."""
    return "one connection" if cell.connections == 1 else f"{number(cell.connections)} connections"


def nothing(results: Results) -> str:
    """Say why there is nothing to be seen."""
    return "Nothing was measured here" + (", the comparison was interrupted." if results.interrupted else ".")


def _equals(summary: Summary, figure: str, cell: Cell, ranked: list[tuple[str, Estimate]]) -> str:
    best = ranked[0][0]
    verdicts = {name: summary.compare(figure, best, name, cell) for name, _ in ranked[1:]}
    equal = [name for name, verdict in verdicts.items() if verdict and verdict.word == NO_DIFFERENCE]
    limited = [name for name, verdict in verdicts.items() if verdict and verdict.word == LIMITED]
    others = listed(equal) if len(equal) <= NAMED else f"{len(equal)} others"
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
    where, best = f"Over {over(cells[-1])} ", leader(summary, "throughput", cells[-1])
    shares = {}
    for name, last in summary.whole("throughput", cells[-1]):
        found = [summary.estimate("throughput", name, cell) for cell in cells]
        shares[name] = last.median / max(one.median for one in found if one)
    worst = min(shares, key=shares.__getitem__, default=None)
    if worst is None or shares[worst] > 0.8:
        return where + best
    return f"{where}{best} From its best, {worst} has fallen to {number(100 * shares[worst])} %."


def latency(summary: Summary, cell: Cell) -> str:
    """Say how long half of the requests take, and how long the slowest of a thousand."""
    half, tail = summary.whole("p50", cell), summary.whole("p99.9", cell)
    if not half:
        return fallen_short(summary, cell) or nothing(summary.results)
    (quick, least), (slow, most) = half[0], tail[-1]
    said = (
        f"Half of the answers come within {amount(least.median, 'seconds')} from {quick}; one of a thousand takes "
        f"{amount(tail[0][1].median, 'seconds')} or longer from {tail[0][0]}"
    )
    if slow != tail[0][0]:
        said += f", and {amount(most.median, 'seconds')} or longer from {slow}"
    kind = f"open loop at {cell.rate:g} requests/s: counted from when each was due" if cell.rate else "closed loop"
    return f"{said} ({kind}). {fallen_short(summary, cell)}".strip()


def fairness(summary: Summary, cell: Cell) -> str:
    """Say who serves all alike, and who does not."""
    ranked = summary.ranking("fairness", cell)
    if not ranked:
        return nothing(summary.results)
    unfair = [f"{name} ({found.median:.2f})" for name, found in ranked if found.median < 0.9]
    alike = len(ranked) - len(unfair)
    if not unfair:
        return f"All {alike} serve their clients alike: Jain's index is 0.9 or more, 1 would be perfect."
    some = f"some get more than others from {listed(unfair)}"
    return f"{alike} of {len(ranked)} serve all clients alike (0.9 or more); {some}."


def tasks(summary: Summary, cell: Cell) -> str:
    """Say how many tasks a crowd costs."""
    ranked = summary.ranking("tasks", cell)
    if not ranked:
        return nothing(summary.results)
    few = [name for name, found in ranked if found.median == ranked[0][1].median]
    many, most = ranked[-1]
    verb = "gets" if len(few) == 1 else "get"
    said = f"For {over(cell)} {listed(few)} {verb} by with {number(ranked[0][1].median)}"
    return said + (f"; {many} has {number(most.median)}." if many not in few else " each.")


def slow(summary: Summary, cell: Cell, kept: dict[str, Estimate | None]) -> str:
    """Say whom a few slow clients block: head-of-line blocking."""
    blocked = [name for name, share in kept.items() if share is None or share.median < 10]
    held = [name for name, share in kept.items() if share and share.median >= 50]
    said = []
    if blocked:
        said.append(f"{SLOW_CLIENTS} slow clients stop all others at {listed(blocked)}: head-of-line blocking.")
    if held:
        said.append(
            f"At {listed(held)} the fast ones keep half of their throughput or more, in the median of the rounds."
        )
    if not said and kept:
        said.append(f"{SLOW_CLIENTS} slow clients cost everyone more than half of the fast ones' throughput.")
    return " ".join(filter(None, [*said, fallen_short(summary, cell)])) or nothing(summary.results)


def sleep(summary: Summary, cell: Cell) -> str:
    """Say who lets several requests wait for a blocking back end at once."""
    ranked = summary.ranking("overlap", cell)
    if not ranked:
        return nothing(summary.results)
    hides = [name for name, found in ranked if found.median >= min(2, cell.connections * 0.75)]
    blocks = [name for name, found in ranked if found.median < 1.2]
    each = f"each waits {MILLISECONDS['sleep']} ms for a back end that blocks"
    said = [f"{cell.connections} requests at once, {each}."]
    if hides:
        said.append(f"{ranked[0][0]} lets {number(ranked[0][1].median)} wait at a time: the back end is hidden.")
    if blocks:
        said.append(f"{listed(blocks)} {'waits' if len(blocks) == 1 else 'wait'} for one after the other.")
    return " ".join(said)


def spin(summary: Summary, cell: Cell) -> str:
    """Say who computes on more than one core, and who is kept from it by the GIL."""
    ranked = summary.ranking("overlap", cell)
    if not ranked:
        return nothing(summary.results)
    cores = len({*summary.results.servers, *summary.results.generators})
    several = [name for name, found in ranked if found.low > 1.1] if cores > 1 else []
    single = [name for name, found in ranked if found.median <= 1.1]
    lock = "one global lock (GIL)" if summary.results.interpreter["gil"] else "no global lock"
    said = [f"{cores} cores, an interpreter with {lock}."]
    if several:
        said.append(f"{listed(several)} {'computes' if len(several) == 1 else 'compute'} on more than one.")
    if single:
        said.append(f"{listed(single)} {'does' if len(single) == 1 else 'do'} the work of one core, or less.")
    unclear = [name for name, _ in ranked if name not in (*several, *single)]
    if unclear and cores > 1:
        said.append(f"Of {listed(unclear)} the rounds vary too much to tell.")
    return " ".join(said)


def octets(summary: Summary, cell: Cell) -> str:
    """Say where the book's order holds today and where not."""
    orders = stevens.orders(summary, cell)
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


def _costs_more(turned: list[stevens.Order]) -> Iterator[str]:
    for dearer, orders in groupby(turned, key=lambda order: order.cheaper.model):
        yield f"{dearer} now costs more than {listed([order.dearer.model for order in orders])}"

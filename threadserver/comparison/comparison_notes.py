"""Where and how the comparison was made, and caveats for the reader."""

from threadserver.comparison.intervals import ENOUGH
from threadserver.comparison.number_format import amount, listed, number
from threadserver.comparison.results import Results
from threadserver.comparison.summary import Summary

BUSY = 0.5
"""Above this load per core, a note says that the machine was busy."""


def headline(results: Results) -> str:
    """Return a line that says what was compared."""
    rounds = len({run.number for run in results.runs})
    when = results.begun[:16].replace("T", " ")
    names, cells = len(results.names), len({run.cell for run in results.runs})
    return (
        f"{names} {'server' if names == 1 else 'servers'}, {cells} {'load' if cells == 1 else 'loads'}, "
        f"{rounds} {'round' if rounds == 1 else 'rounds'} of {results.pace['seconds']:g} s, {when}"
    )


def interpreter(results: Results) -> str:
    """Return the interpreter of the servers, and whether it has the GIL."""
    one = results.interpreter
    return f"{one['name']} {one['version']}, {'with' if one['gil'] else 'without'} the GIL ({one['path']})"


def facts(results: Results) -> list[tuple[str, str]]:
    """Return what the figures depend on apart from the server."""
    machine, pace = results.machine, results.pace
    each = f"{pace['seconds']:g} s in a server started for it, after {pace['warm_up']:g} s of warm-up"
    each += f"; clients give up after {pace['timeout']:g} s, or twice the first client's wait if that is longer"
    limits = {name.replace("_", " "): "none" if n is None else number(n) for name, n in machine["limits"].items()}
    return [
        ("Processor", f"{machine['processor']}, {len(machine['cores'])} cores"),
        ("Memory", amount(machine["memory_bytes"], "bytes")),
        ("Kernel", f"{machine['kernel']}, {machine['architecture']}"),
        ("Interpreter of the servers", interpreter(results)),
        ("Cores of the servers", _cores(results.servers) + "; for spin all cores"),
        ("Cores of the load generator", _cores(results.generators)),
        ("Load average at the start", ", ".join(f"{value:g}" for value in results.load_average)),
        ("Limits", ", ".join(f"{name} {value}" for name, value in limits.items())),
        ("Each run", each),
        ("Start, end", f"{results.begun}, {results.ended or 'interrupted'}"),
    ]  # fmt: skip


def _cores(numbers: list[int]) -> str:
    return ", ".join(map(str, numbers))


def notes(summary: Summary) -> list[str]:
    """Return the caveats for the reader."""
    results = summary.results
    found = []
    if results.interrupted:
        found.append("Interrupted: these are the figures up to that point.")
    cores = len(results.machine["cores"])
    if results.load_average[0] > BUSY * cores:
        where = "1 core" if cores == 1 else f"{cores} cores"
        found.append(
            f"The machine was busy (load average {results.load_average[0]:g} on {where}): "
            "expect wide intervals and few clear differences."
        )
    if set(results.servers) & set(results.generators):
        found.append("Servers and load generator shared a core: every figure includes the generator's work.")
    rounds = len({run.number for run in results.runs})
    if rounds < ENOUGH:
        found.append(
            f"{rounds} {'round shows' if rounds == 1 else 'rounds show'} only large differences; "
            f"use --rounds {ENOUGH} or more for smaller ones."
        )
    if slow := _slow(summary):
        found.append(
            f"An answer of {listed(slow)} takes longer than a run, so its throughput is a matter of chance. "
            "Use longer --seconds."
        )
    if limited := _limited(summary):
        found.append(f"* The load generator may have limited {listed(limited)} in places: figures may be too low.")
    return found


def _slow(summary: Summary) -> list[str]:
    """Return the contestants for which half of the answers in a round took longer than a run."""
    closed, long = [cell for cell in summary.cells if not cell.rate], summary.results.pace["seconds"]
    return [
        name
        for name in summary.results.names
        if any(median > long for cell in closed for median in summary.values("p50", name, cell).values())
    ]


def _limited(summary: Summary) -> list[str]:
    names = summary.results.names
    return [name for name in names if any(summary.limited(name, cell) for cell in summary.cells)]

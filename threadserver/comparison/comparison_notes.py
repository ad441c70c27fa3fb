"""Where, with what and how it was measured, and what a reader should know before believing it."""

from threadserver.comparison.intervals import ENOUGH
from threadserver.comparison.number_format import amount, listed, number
from threadserver.comparison.results import Results
from threadserver.comparison.summary import Summary

BUSY = 0.5
"""From this load for each core on a machine is not idle enough to be believed without a word."""


def headline(results: Results) -> str:
    """Say in one line what was compared."""
    rounds = len({run.number for run in results.runs})
    when = results.begun[:16].replace("T", " ")
    names, cells = len(results.names), len({run.cell for run in results.runs})
    return (
        f"{names} {'server' if names == 1 else 'servers'}, {cells} {'load' if cells == 1 else 'loads'}, "
        f"{rounds} {'round' if rounds == 1 else 'rounds'} of {results.pace['seconds']:g} s, {when}"
    )


def interpreter(results: Results) -> str:
    """Say which interpreter ran the servers, and whether it has the global lock."""
    one = results.interpreter
    return f"{one['name']} {one['version']}, {'with' if one['gil'] else 'without'} the GIL ({one['path']})"


def facts(results: Results) -> list[tuple[str, str]]:
    """List what a figure depends on beside the server."""
    machine, pace = results.machine, results.pace
    each = f"{pace['seconds']:g} s in a server started for it, after {pace['warm_up']:g} s that count for nothing"
    each += f"; after {pace['timeout']:g} s, or twice what the first client had to wait, the others give up"
    limits = {name.replace("_", " "): "none" if n is None else number(n) for name, n in machine["limits"].items()}
    return [
        ("Processor", f"{machine['processor']}, {len(machine['cores'])} cores"),
        ("Memory", amount(machine["memory_bytes"], "bytes")),
        ("Kernel", f"{machine['kernel']}, {machine['architecture']}"),
        ("Interpreter of the servers", interpreter(results)),
        ("Cores of the servers", _cores(results.servers) + "; for spin all"),
        ("Cores of the load generator", _cores(results.generators)),
        ("Load average at the beginning", ", ".join(f"{value:g}" for value in results.load_average)),
        ("Limits", ", ".join(f"{name} {value}" for name, value in limits.items())),
        ("Each run", each),
        ("Begun, ended", f"{results.begun}, {results.ended or 'interrupted'}"),
    ]  # fmt: skip


def _cores(numbers: list[int]) -> str:
    return ", ".join(map(str, numbers))


def notes(summary: Summary) -> list[str]:
    """Say what a reader should know first."""
    results = summary.results
    found = []
    if results.interrupted:
        found.append("It was interrupted: what had been measured until then is shown.")
    cores = len(results.machine["cores"])
    if results.load_average[0] > BUSY * cores:
        found.append(
            f"The machine was busy with other things (load average {results.load_average[0]:g} on {cores} cores): "
            "expect broad intervals and few differences."
        )
    if set(results.servers) & set(results.generators):
        found.append("Servers and load generator shared one core: every figure includes the generator's work.")
    rounds = len({run.number for run in results.runs})
    if rounds < ENOUGH:
        found.append(
            f"{rounds} {'round says' if rounds == 1 else 'rounds say'} little: only glaring differences are claimed; "
            f"--rounds {ENOUGH} or more shows smaller ones."
        )
    if slow := _slow(summary):
        found.append(
            f"An answer of {listed(slow)} takes longer than a run: how many came in time is a matter of chance. Longer "
            "--seconds say more."
        )
    if limited := _limited(summary):
        found.append(f"* The load generator may have been the limit of {listed(limited)} in places: they may do more.")
    return found


def _slow(summary: Summary) -> list[str]:
    """Name those of whose answers in a round half or more took longer than a run."""
    closed, long = [cell for cell in summary.cells if not cell.rate], summary.results.pace["seconds"]
    return [
        name
        for name in summary.results.names
        if any(median > long for cell in closed for median in summary.values("p50", name, cell).values())
    ]


def _limited(summary: Summary) -> list[str]:
    names = summary.results.names
    return [name for name in names if any(summary.limited(name, cell) for cell in summary.cells)]

"""A made-up comparison with everything that a report can show, always the same."""

import random
from functools import cache

from threadserver.clients.load import Latency
from threadserver.clients.load.buckets import Buckets
from threadserver.comparison.cells import TOUR, Cell
from threadserver.comparison.contestants import ORDER
from threadserver.comparison.results import Memory, Results, Run, Server

SPEED = {
    "iterative": 30_000, "fork": 22_000, "prefork": 31_000, "reuseport": 30_000, "thread": 24_000, "pool": 25_000,
    "prethreaded": 26_000, "select": 27_000, "poll": 30_000, "epoll": 36_000, "asyncio": 21_000,
    "peer:asyncio": 16_000, "peer:socketserver": 18_000, "mine/server.py": 20_000,
    "prefork/file-lock": 29_000, "prefork/mutex": 30_000, "pool/parent-passes": 19_000, "prethreaded/in-turns": 25_000,
}  # fmt: skip
FAMILY = {
    "iterative": "one", "fork": "processes", "prefork": "processes", "reuseport": "processes", "thread": "threads",
    "pool": "threads", "prethreaded": "threads", "peer:socketserver": "threads", "mine/server.py": "own",
    "prefork/file-lock": "processes", "prefork/mutex": "processes", "pool/parent-passes": "processes",
    "prethreaded/in-turns": "threads",
}  # fmt: skip
NAMES = (*ORDER, "peer:asyncio", "peer:socketserver", "mine/server.py")
DESIGNS = tuple(name for name in SPEED if "/" in name and name not in NAMES)
"""Those that a tour measures in `octets` only."""
CELLS = [Cell(workload, count) for workload, counts in TOUR.items() for count in counts]


@cache
def latency(middle):
    """Make a latency as JSON; few different ones, since an HDR histogram takes long to make."""
    chance, buckets = random.Random(1), Buckets()
    buckets.latest += [int(1e9 * middle * chance.lognormvariate(0, 0.5)) + 1 for _ in range(400)]
    buckets.fold()
    return Latency.of(buckets.counts).as_dict()


def load(rate, connections, *, served=None, limited=None):
    served = connections if served is None else served
    return {
        "requests_per_second": rate,
        "latency": latency(float(f"{served / rate:.0e}")),
        "fairness": served / connections,
        "per_connection": {"min": 0 if served < connections else rate / served, "max": rate / served},
        "slow": None,
        "due": None,
        "generator": {"limited_by": limited},
    }


def results(names=NAMES, cells=CELLS, rounds=5, seed=1):
    chance = random.Random(seed)
    designs = DESIGNS if names is NAMES else ()
    found = Results(
        begun="2026-11-25T15:30:00+01:00",
        machine={
            "processor": "A processor", "cores": [0, 1], "memory_bytes": 24 << 30, "kernel": "Linux 6.18",
            "architecture": "x86_64",
            "limits": {"descriptors": 20_000, "tasks_of_user": None, "tasks_of_machine": 190_000},
        },
        load_average=[0.1, 0.1, 0.1],
        interpreter={"path": "/usr/bin/python3", "name": "CPython", "version": "3.13.0", "gil": True},
        servers=[0], generators=[1],
        pace={"seconds": 1.0, "warm_up": 0.3, "timeout": 2.0},
        planned=rounds,
        contestants=[
            {"name": name, "kind": "model", "family": FAMILY.get(name, "loop"), "file": f"{name}.py",
             "only": "octets" if name in designs else None}
            for name in (*names, *designs)
        ],
        cells=list(cells),
        ended="2026-11-25T15:33:00+01:00",
    )  # fmt: skip
    for number in range(rounds):
        for cell in cells:
            entering = (*names, *designs) if cell.workload == "octets" else names
            found.runs += [run(chance, name, cell, number) for name in entering]
    return found


def run(chance, name, cell, number):
    """Make a run with the figures that a model of this name would be expected to have."""
    made = Run(name, cell, number, served=cell.connections)
    if name == "mine/server.py" and cell.workload in ("octets", "sleep", "spin"):
        return made.failed("not offered", f"it does not offer {cell.workload}")
    if name == "mine/server.py" and cell.workload == "churn":
        made.output = "Traceback (most recent call last):\n  …\nValueError: <script>alert(1)</script>"
        return made.failed("crashed", "it ended under load: 312 reset")
    if name == "iterative" and cell.workload == "slow":
        return made.failed("hung", "10 no HELLO")
    if name == "iterative" and cell.connections > 1 and cell.workload not in ("churn", "octets"):
        made.served = 1
        made.failed("partly", f"1 of {cell.connections} clients were served: {cell.connections - 1} no HELLO")
    tasks = cell.connections + 1 if name in ("thread", "fork", "peer:socketserver") else 4 if "p" in name[0] else 1
    if cell.workload == "idle":
        made.server = Server(tasks, 1)
        each = 900_000 if name == "fork" else 20_000
        made.memory = Memory(9_000_000, 1, 9_000_000 + (made.served - 1) * each, made.served)
        return made
    rate = _rate(name, cell) * chance.lognormvariate(0, 0.04)
    made.requests = int(rate)
    made.load = load(rate, cell.connections, served=made.served, limited="busy" if name == "epoll" else None)
    made.server = Server(tasks, 1, 1.0, 0.9, 0.9, 0.9 / rate, chance.uniform(0.1, 2.0), name == "fork")
    return made


def _rate(name, cell):
    several = {"thread", "fork", "prefork", "pool", "prethreaded", "reuseport", "peer:socketserver", "peer:asyncio"}
    if cell.workload == "sleep":
        return 100 * (cell.connections if name in several else 1)
    if cell.workload == "spin":
        return 200 * (1.9 if name in ("fork", "prefork", "reuseport") else 1)
    if cell.workload in ("churn", "octets"):
        return SPEED[name] / (25 if name == "fork" else 10)
    slower = 1 if name in ("epoll", "asyncio", "reuseport") else 1 - 0.1 * len(str(cell.connections))
    return SPEED[name] * (0.4 if cell.connections == 1 else slower) * (0.7 if cell.workload == "slow" else 1)

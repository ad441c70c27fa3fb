"""Measure the load generator against an independent one in C, in alternating rounds: ``python -m tests.speed.load``.

Each server is pinned to one core and each generator to another. `echo` is a server in C that does almost nothing, so
that the generator is the limit and the generators are compared; requests per CPU second allow for other programs on the
same core. `kit` is the kit's thread model with the services that block or compute: there the server is the limit, and
both generators must agree. Ratios are paired: kit / C in a round.
"""

import argparse
import json
import os
import random
import re
import statistics
import subprocess
import sys
import tempfile
from contextlib import contextmanager
from pathlib import Path

from threadserver.clients.load import SERVICE, Plan, run
from threadserver.clients.load.workloads import CONNECTION_PER_REQUEST

HERE = Path(__file__).parent
FIRST, *_, LAST = sorted(os.sched_getaffinity(0)) * 2

# server, workload, connections
CASES = [
    ("echo", "echo", 10),
    ("echo", "echo", 100),
    ("kit", "echo", 1),
    ("kit", "echo", 10),
    ("kit", "echo", 100),
    ("kit", "sleep", 10),
    ("kit", "spin", 10),
    ("kit", "octets", 1),
    ("kit", "churn", 1),
]


def compiled(name, folder):
    """Compile a C program of this folder; return the path of the executable."""
    program = Path(folder) / name
    subprocess.run(["gcc", "-O2", "-Wall", "-Werror", "-o", program, HERE / f"{name}.c"], check=True)
    return str(program)


@contextmanager
def server(name, workload, echo):
    """Start a server on the first core; yield its port."""
    kit = [sys.executable, "-m", "threadserver", "serve", "127.0.0.1:0", "--service", SERVICE[workload]]
    command = [echo, "1"] if name == "echo" else [*kit, "--backlog", "4096"]
    process = subprocess.Popen(
        command, stdout=subprocess.PIPE, text=True, preexec_fn=lambda: os.sched_setaffinity(0, {FIRST})
    )
    try:
        yield int(re.search(r"(\d+)( \(|$)", process.stdout.readline())[1])
    finally:
        process.kill()
        process.communicate()


def in_c(generator, port, workload, connections, seconds):
    """Load a server with the generator in C; return its report."""
    line = {"sleep": "10", "spin": "1", "octets": "4000"}.get(workload, "x" * 63)
    answer = 4000 if workload == "octets" else 0
    command = [
        generator,
        "127.0.0.1",
        port,
        connections,
        seconds,
        line,
        answer,
        1,
        int(workload in CONNECTION_PER_REQUEST),
    ]
    result = subprocess.run(
        list(map(str, command)),
        capture_output=True,
        check=True,
        timeout=60 + 2 * seconds,
        preexec_fn=lambda: os.sched_setaffinity(0, {LAST}),
    )
    report = json.loads(result.stdout)
    assert not report["errors"], report
    return {**report, "per_cpu_second": report["requests_per_second"] / report["cpu_share"]}


def in_python(port, workload, connections, seconds):
    """Load a server with the kit's generator; return its report with the same keys."""
    payload = 4000 if workload == "octets" else 64
    result = run(
        Plan(f"tcp://127.0.0.1:{port}", workload, connections, seconds, seconds / 4, payload=payload, cpus={LAST})
    )
    assert not result.errors, result.errors
    return {
        "requests_per_second": result.requests_per_second,
        "per_cpu_second": result.requests / result.cpu_seconds,
        "p50": result.latency.percentile(50),
        "limited": result.limited,
    }


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--seconds", type=float, default=1.0)
    parser.add_argument("--only", help="such as echo/100 or kit/churn/1")
    arguments = parser.parse_args()
    heads = f"{'kit':>8}{'C':>8}{'kit / C':>24}{'per CPU second':>24}{'p50 ms: kit':>13}{'C':>8}{'limited':>9}"
    print(f"{'':16}{heads}")
    with tempfile.TemporaryDirectory() as folder:
        echo, generator = compiled("echo", folder), compiled("generator", folder)
        for name, workload, connections in CASES:
            title = f"{name}/{workload}/{connections}"
            if arguments.only and arguments.only not in title:
                continue
            rounds = []
            for _ in range(arguments.rounds):
                pair = {}
                for who in random.sample(("kit", "C"), 2):
                    with server(name, workload, echo) as port:
                        load = (port, workload, connections, arguments.seconds)
                        pair[who] = in_python(*load) if who == "kit" else in_c(generator, *load)
                rounds.append(pair)
            report(title, rounds)


def report(title, rounds):
    def median(who, key):
        return statistics.median(pair[who][key] for pair in rounds)

    def paired(key):
        ratios = sorted(pair["kit"][key] / pair["C"][key] for pair in rounds)
        return f"{statistics.median(ratios):.2f} ({ratios[0]:.2f}-{ratios[-1]:.2f})"

    speed = median("kit", "requests_per_second"), median("C", "requests_per_second")
    p50 = median("kit", "p50"), median("C", "p50")
    limited = sum(pair["kit"]["limited"] for pair in rounds)
    print(
        f"{title:16}{speed[0]:>8.0f}{speed[1]:>8.0f}{paired('requests_per_second'):>24}{paired('per_cpu_second'):>24}"
        f"{p50[0] * 1000:>13.3f}{p50[1] * 1000:>8.3f}{limited:>6}/{len(rounds)}",
        flush=True,
    )


if __name__ == "__main__":
    main()

"""Measure, in alternating rounds, and print one table: each server pinned to one core, the generator to another."""

import argparse
import os
import random
import resource
import socket
import statistics
import subprocess
import sys
from contextlib import contextmanager
from pathlib import Path

from tests.speed import generator

SERVERS = ("kit", "socketserver", "bare")


def command(name, port, confirm):
    if name == "kit":
        options = ["--backlog", "4096"] + ([] if confirm else ["--no-confirm"])
        return [sys.executable, "-m", "threadserver", "serve", f"tcp://127.0.0.1:{port}", *options]
    return [sys.executable, "-m", "tests.speed.peers", name, str(port)]


@contextmanager
def server(name, confirm=True):
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    process = subprocess.Popen(
        command(name, port, confirm),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        preexec_fn=lambda: os.sched_setaffinity(0, {0}),
    )
    try:
        while True:
            try:
                socket.create_connection(("127.0.0.1", port)).close()
                break
            except ConnectionRefusedError:
                if process.poll() is not None:
                    raise SystemExit(f"{name} does not start") from None
        yield port, process.pid
    finally:
        process.kill()
        process.wait()


def pss(pid):
    """Memory in KiB, shared pages divided among their processes: /proc/PID/smaps_rollup, proc(5)."""
    lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("Pss:"))


def idle(name, count):
    with server(name) as (port, pid):
        before = pss(pid)
        connections = generator.connect(port, count, confirm=name == "kit")
        used = (pss(pid) - before) / count
        for connection in connections:
            connection.close()
    return used


def one(name, what, seconds):
    if what == "churn":
        with server(name, confirm=False) as (port, _):
            return generator.churn(port, seconds)
    if what == "idle":
        return idle(name, 5000)
    with server(name) as (port, _):
        return generator.echo(port, what, seconds, confirm=name == "kit")


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--seconds", type=float, default=2.0)
    parser.add_argument("--only", help="1, 10, 100, 1000, churn or idle")
    arguments = parser.parse_args()
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    os.sched_setaffinity(0, {max(os.sched_getaffinity(0))})
    print(f"{'':24}{'kit':>10}{'socketserver':>14}{'bare':>10}{'kit/socketserver':>20}{'kit/bare':>18}")
    for what in (1, 10, 100, 1000, "churn", "idle"):
        if arguments.only and str(what) != arguments.only:
            continue
        figures = {name: [] for name in SERVERS}
        for _ in range(3 if what == "idle" else arguments.rounds):
            for name in random.sample(SERVERS, len(SERVERS)):
                figures[name].append(one(name, what, arguments.seconds))
        report(what, figures)


def report(what, figures):
    title = {"churn": "connections/s", "idle": "KiB PSS/connection"}.get(what, f"lines/s, {what} connections")
    medians = [statistics.median(figures[name]) for name in SERVERS]
    ratios = []
    for other in ("socketserver", "bare"):
        paired = sorted(a / b for a, b in zip(figures["kit"], figures[other], strict=True))
        ratios.append(f"{statistics.median(paired):.2f} ({paired[0]:.2f}-{paired[-1]:.2f})")
    digits = 1 if what == "idle" else 0
    row = "".join(f"{value:>{width}.{digits}f}" for value, width in zip(medians, (10, 14, 10), strict=True))
    print(f"{title:24}{row}{ratios[0]:>20}{ratios[1]:>18}", flush=True)


if __name__ == "__main__":
    main()

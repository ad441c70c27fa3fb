"""The load generator: how many requests a server answers, and how soon.

::

    result = run(Plan("tcp://127.0.0.1:7000", connections=100, seconds=5))
    print(result.requests_per_second, result.latency.percentile(99.9), result.errors, result.limited)
"""

from clients.load.latency import Latency
from clients.load.plan import Plan
from clients.load.result import Result
from clients.load.running import Held, LoadError, holding, run
from clients.load.workloads import SERVICE, WORKLOADS

__all__ = ["SERVICE", "WORKLOADS", "Held", "Latency", "LoadError", "Plan", "Result", "holding", "run"]

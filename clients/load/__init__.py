"""The load generator: how many requests a server answers, and how fast.

::

    result = run(Plan("tcp://127.0.0.1:7000", connections=100, seconds=5))
    print(result.requests_per_second, result.latency.percentile(99.9), result.errors, result.limited)
"""

from threadserver.clients.load.coordinator import Held, LoadError, holding, run
from threadserver.clients.load.latency import Latency
from threadserver.clients.load.plan import Plan
from threadserver.clients.load.result import Result
from threadserver.clients.load.workloads import SERVICE, WORKLOADS

__all__ = ["SERVICE", "WORKLOADS", "Held", "Latency", "LoadError", "Plan", "Result", "holding", "run"]

"""Workloads: what each asks of a server, and which service answers.

==========  ==========================================================================================
echo        a line of random bytes, which comes back
churn       connect, one line, its answer, close: the rate is connections a second
idle        connections that stay open and silent after one line each: for memory
sleep       milliseconds for which the service blocks: a slow back end
spin        milliseconds for which the service computes: shows the GIL
slow        echo, next to a few clients that send half a line and wait, or do not read their answers
octets      connect, a count n, an answer of n bytes, close: the classic table of server designs
==========  ==========================================================================================
"""

SERVICE = {
    "echo": "echo",
    "churn": "echo",
    "idle": "echo",
    "sleep": "sleep",
    "spin": "spin",
    "slow": "echo",
    "octets": "octets",
}
"""The service that each workload needs."""

WORKLOADS = tuple(SERVICE)

CONNECTION_PER_REQUEST = ("churn", "octets")
"""Workloads in which each request has a connection of its own."""

MILLISECONDS = {"sleep": 10, "spin": 1}
"""Milliseconds that these services are asked for by default."""

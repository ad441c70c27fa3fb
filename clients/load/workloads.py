"""Workloads: what is asked of a server, and which of its services answers it.

==========  ==========================================================================================
echo        a line of random bytes, which must come back
churn       connect, one line, its answer, close: the rate is connections a second
idle        connections that are held open and say nothing, after one line each: for memory
sleep       a number of milliseconds for which the service blocks: a slow back end
spin        a number of milliseconds for which the service computes: the GIL
slow        echo, beside a few clients that send half a line and wait, or do not read their answers
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
"""The service of the server that each workload needs."""

WORKLOADS = tuple(SERVICE)

CONNECTION_PER_REQUEST = ("churn", "octets")
"""Workloads in which each request has a connection of its own."""

MILLISECONDS = {"sleep": 10, "spin": 1}
"""What is asked of these services unless the plan says otherwise."""

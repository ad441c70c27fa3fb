"""What is asked: lines that tell every answer from those of other requests."""

from itertools import islice

import pytest

from threadserver.clients.load import Plan
from threadserver.clients.load.load_requests import DISTINCT_LINES, Requests


def asked(payload, count):
    requests = Requests(Plan("tcp://127.0.0.1:1", payload=payload))
    return list(islice(iter(requests.next, None), count))


@pytest.mark.parametrize("payload", [64, 65_536])
def test_a_line_differs_from_those_shortly_before(payload):
    lines = asked(payload, 2000)
    few = len(set(lines)) // 2
    assert few >= 7
    for at in range(few, len(lines)):
        assert lines[at] not in lines[at - few + 1 : at]


@pytest.mark.parametrize("connections", [1, 16, *(DISTINCT_LINES + n for n in (-1, 0, 1)), 2 * DISTINCT_LINES, 1000])
@pytest.mark.parametrize("payload", [64, 65_536])
def test_no_connection_always_sends_the_same_line(payload, connections):
    lines = asked(payload, 20 * connections)
    assert all(len(set(lines[at::connections])) > 1 for at in range(connections))

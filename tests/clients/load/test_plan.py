import json

import pytest

from threadserver.clients.load import SERVICE, WORKLOADS, Plan
from threadserver.clients.load.load_requests import Requests, random_lines
from threadserver.core.errors import UsageError
from threadserver.core.services import SERVICES

HERE = "tcp://127.0.0.1:7000"


@pytest.mark.parametrize(
    ("wrong", "says"),
    [
        ({"workload": "nix"}, "unknown workload 'nix': there are echo, churn, idle, sleep, spin, slow, octets"),
        ({"address": "udp://127.0.0.1:1"}, "a datagram socket has no connections"),
        ({"address": "nonsense"}, "bad address 'nonsense'"),
        ({"connections": 0}, "connections must be at least 1, not 0"),
        ({"processes": 0}, "processes must be at least 1"),
        ({"slow_clients": 0}, "slow_clients must be at least 1"),
        ({"seconds": 0}, "seconds must be more than 0"),
        ({"seconds": float("nan")}, "seconds must be more than 0"),
        ({"rate": -1}, "rate must be more than 0"),
        ({"timeout": 0}, "timeout must be more than 0"),
        ({"warm_up": -1}, "warm_up must be 0 or more"),
        ({"workload": "churn", "rate": 10}, "churn takes no rate"),
        ({"payload": 0}, "echo takes a payload from 1 to 65536, not 0"),
        ({"payload": 65_537}, "echo takes a payload from 1 to 65536"),
        ({"workload": "octets", "payload": 16_385}, "octets takes a payload from 1 to 16384"),
        ({"workload": "sleep", "milliseconds": 60_001}, "sleep takes milliseconds from 0 to 60000"),
    ],
)
def test_an_impossible_plan_is_refused_in_one_line(wrong, says):
    with pytest.raises(UsageError, match=says) as error:
        Plan(**({"address": HERE} | wrong))
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("workload", WORKLOADS)
def test_a_plan_comes_back_from_json(workload):
    plan = Plan(HERE, workload, cpus={3, 1}, seed=9)
    assert Plan(**json.loads(json.dumps(plan.as_dict()))) == plan


@pytest.mark.parametrize("workload", WORKLOADS)
def test_the_service_of_a_workload_answers_its_requests(workload):
    requests = Requests(Plan(HERE, workload, milliseconds=0))
    due = requests.next()
    answer = SERVICES[SERVICE[workload]]((requests.question or due).removesuffix(b"\n")) + b"\n"
    assert answer == due
    assert requests.is_right(answer, due)
    assert len(due) == requests.answer_size


def test_the_number_of_octets_matters_but_not_their_values():
    requests = Requests(Plan(HERE, "octets", payload=10))
    due = requests.next()
    assert requests.is_right(b"123456789\n", due)
    assert not requests.is_right(b"12345678\n", due)
    assert not requests.is_right(b"ERROR no!\n", due)


@pytest.mark.parametrize("size", [1, 2, 64, 65_536])
def test_random_lines_are_lines_of_that_size(size):
    lines = random_lines(size, seed=1)
    assert {len(line) for line in lines} == {size}
    assert all(line.find(b"\n") == size - 1 for line in lines)
    assert random_lines(size, seed=1) == lines


def test_no_two_of_many_lines_are_the_same():
    lines = random_lines(64, seed=1)
    assert len(set(lines)) == len(lines) > 200
    assert not set(lines) & set(random_lines(64, seed=2))

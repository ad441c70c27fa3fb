import json

import pytest
from rich.console import Console

from threadserver.clients.load import Latency, Plan, Result
from threadserver.clients.load.buckets import Buckets
from threadserver.clients.load.load_table import table
from threadserver.clients.load.result import SCHEMA, Share, Slow

PLAN = Plan("tcp://127.0.0.1:7000")


def latency(*seconds):
    buckets = Buckets()
    buckets.latest.extend(int(one * 1e9) for one in seconds)
    buckets.fold()
    return Latency.of(buckets.counts)


def result(**changed):
    answered = changed.pop("per_connection", [5, 5])
    given = {"plan": PLAN, "seconds": 2.0, "requests": sum(answered), "latency": latency(0.001)}
    return Result(**given, per_connection=answered, **({"connected": 2} | changed))


def shown(one):
    console = Console(width=120)
    with console.capture() as capture:
        console.print(table(one))
    return capture.get()


@pytest.mark.parametrize(
    ("answers", "index"), [([7, 7, 7, 7], 1.0), ([8, 0, 0, 0], 0.25), ([1, 3], 0.8), ([0, 0], None), ([], None)]
)
def test_fairness_is_jains_index(answers, index):
    assert result(per_connection=answers).fairness == index


@pytest.mark.parametrize(
    ("cpu", "waiting", "says"),
    [
        (0.5, 0.0, None),
        (0.95, 0.0, "busy for 95% of the time"),
        (0.5, 0.45, "waited for 45% of the time while another program, perhaps the server, ran on its core"),
    ],
)
def test_a_busy_generator_says_that_it_may_be_the_limit(cpu, waiting, says):
    one = result(shares=[Share(0.1, 0.05, 0.0), Share(2 * cpu, cpu, waiting)])
    assert one.limited == bool(says)
    assert (says or "") in (one.limited_by or "")
    assert ("may be the limit" in shown(one)) == bool(says)


def test_a_late_generator_says_that_it_may_be_the_limit():
    assert result(lateness=latency(0.002)).limited_by == (
        "one request in a hundred was sent at least 2.0 ms late, although its connection was free"
    )
    assert not result(lateness=latency(0.0001)).limited


def test_the_json_has_the_keys_of_its_schema():
    slow = Slow(4, 3, 1, latency(0.2), {"closed": 1})
    given = json.loads(json.dumps(result(lateness=latency(0.002), slow=slow, shares=[Share(1.0, 0.5, 0.1)]).as_dict()))
    assert given["schema"] == SCHEMA
    for key in given:
        assert f"``{key}``" in Result.as_dict.__doc__
    assert given["requests_per_second"] == 5.0
    assert given["per_connection"] == {"min": 5, "max": 5}
    assert given["slow"]["errors"] == {"closed": 1}
    assert Latency.from_dict(given["latency"]).as_dict() == given["latency"]
    assert Plan(**given["plan"]) == PLAN


def test_the_table_shows_the_figures():
    text = shown(result(errors={"reset": 3}, interrupted=True, slow=Slow(4, 3, 0, Latency(), {"full": 1})))
    for part in ("echo, 64 bytes", "closed loop", "p99.9 1.00 ms", "reset 3", "3 of 4", "no answers", "full 1"):
        assert part in text
    assert "Interrupted" in text


def test_a_result_without_measurements_says_why():
    nothing = result(per_connection=[0, 0], errors={"refused": 2}, connected=0)
    assert nothing.failure == "no answer from tcp://127.0.0.1:7000: refused (2 times)"
    assert nothing.flawed
    assert result().failure is None


def test_an_error_of_a_slow_client_is_a_flaw():
    assert not result(slow=Slow(4, 4, 1, latency(0.2), {})).flawed
    assert result(slow=Slow(4, 4, 0, Latency(), {"wrong answer": 4})).flawed

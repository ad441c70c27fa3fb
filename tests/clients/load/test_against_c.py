"""The generator and the server in C, against which the kit's generator is measured, count as it does."""

import re
import subprocess

import pytest

from tests.clients.load.test_coordinator import SHORT, Counting
from tests.conftest import eventually, require
from tests.speed.load import compiled, in_c
from threadserver import serving
from threadserver.clients.load import Plan, run
from threadserver.core.models import thread


@pytest.fixture(scope="module")
def programs(tmp_path_factory):
    require("gcc")
    folder = tmp_path_factory.mktemp("c")
    return {name: compiled(name, folder) for name in ("generator", "echo")}


@pytest.mark.parametrize("workload", ["echo", "churn"])
def test_both_count_the_answers_of_the_same_server(programs, workload):
    service = Counting()
    with serving(thread.serve, service=service) as server:
        report = in_c(programs["generator"], server.address.port, workload, 3, 0.2)
        eventually(lambda: not server.conversations, "all have left, and what they had asked is answered")
        served = service.served
        result = run(Plan(server.address, workload, **SHORT))
    assert 0 < report["requests"] <= served
    assert result.latency.count == service.served - served
    assert 0 < report["p50"] <= report["p99.9"] < report["seconds"] * 2


def test_the_generator_in_c_notices_wrong_answers(programs):
    with serving(thread.serve, service=bytes.upper) as server, pytest.raises(AssertionError, match="errors"):
        in_c(programs["generator"], server.address.port, "echo", 3, 0.2)


def test_the_server_in_c_echoes(programs):
    with subprocess.Popen([programs["echo"], "1"], stdout=subprocess.PIPE, text=True) as server:
        address = f"tcp://127.0.0.1:{re.match(r'[0-9]+', server.stdout.readline())[0]}"
        for workload in ("echo", "churn"):
            result = run(Plan(address, workload, **SHORT))
            assert (result.requests > 0, result.errors) == (True, {})
        server.kill()

import random

import pytest

from threadserver.clients.load import Latency
from threadserver.clients.load.buckets import Buckets


def latency(nanoseconds):
    buckets = Buckets()
    buckets.latest.extend(nanoseconds)
    buckets.fold()
    return Latency.of(buckets.counts)


def test_percentiles_are_right_to_three_digits():
    values = sorted(int(random.Random(1).lognormvariate(14, 2)) for _ in range(20_000))
    recorded = latency(values)
    assert recorded.count == len(values)
    for percent in (50, 90, 99, 99.9):
        exact = values[int(len(values) * percent / 100) - 1] / 1e9
        assert recorded.percentile(percent) == pytest.approx(exact, rel=0.0015)
    assert recorded.max == pytest.approx(values[-1] / 1e9, rel=0.0015)
    assert recorded.mean == pytest.approx(sum(values) / len(values) / 1e9, rel=0.0015)


@pytest.mark.parametrize("value", [1, 999, 10**6, 10**9, 3_599 * 10**9])
def test_each_length_of_time_has_a_bucket(value):
    assert latency([value]).max == pytest.approx(value / 1e9, rel=0.0015)


def test_a_latency_over_an_hour_counts_as_an_hour():
    assert latency([10**13]).max == pytest.approx(3600, rel=0.0015)


def test_folding_little_by_little_is_the_same():
    values = [random.Random(2).randrange(10**9) for _ in range(1000)]
    buckets = Buckets()
    for value in values:
        buckets.latest.append(value)
        buckets.fold()
    assert Latency.of(buckets.counts).as_dict() == latency(values).as_dict()


def test_memory_is_bounded_by_the_number_of_buckets():
    buckets = Buckets()
    for power in range(42):
        buckets.latest.extend(range(2**power, 2 ** (power + 1), max(1, 2**power // 4096)))
        buckets.fold()
    assert len(buckets.counts) <= 42 * 2048


def test_merged_histograms_equal_a_single_recording():
    values = list(range(1, 10_000))
    halves = [latency(values[::2]), latency(values[1::2])]
    assert Latency.merged(halves).as_dict() == latency(values).as_dict()
    assert [half.count for half in halves] == [5000, 4999]


def test_it_comes_back_from_json():
    recorded = latency(range(1000, 100_000, 7))
    again = Latency.from_dict(recorded.as_dict())
    assert again.as_dict() == recorded.as_dict()
    assert again.curve() == recorded.curve()


def test_the_curve_rises_to_the_maximum():
    curve = latency(range(1, 100_000)).curve()
    assert curve == sorted(curve)
    assert curve[-1] == (100.0, latency(range(1, 100_000)).max)


def test_an_empty_histogram_has_no_percentiles():
    nothing = Latency()
    assert nothing.as_dict() | {"hdr": ""} == {
        "count": 0, "mean": None, "p50": None, "p90": None, "p99": None, "p99.9": None, "max": None, "hdr": "",
    }  # fmt: skip
    assert nothing.curve() == []
    assert Latency.from_dict(nothing.as_dict()).count == 0

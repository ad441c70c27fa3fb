"""The statistics keep their word: with many rounds, with few, and whatever the distribution."""

import random
from math import exp, isclose
from statistics import median

import pytest
from hypothesis import given
from hypothesis import strategies as st

from threadserver.comparison import intervals
from threadserver.comparison.intervals import bootstrap, estimate, paired, paired_difference

amounts = st.lists(st.floats(1e-6, 1e9), min_size=1, max_size=15)
several = st.lists(st.floats(1e-6, 1e9), min_size=3, max_size=15)


@given(amounts)
def test_the_interval_encloses_the_median(values):
    found = estimate(values)
    assert found.median == median(values)
    assert found.low <= found.median <= found.high or isclose(found.low, found.high)
    assert found.rounds == len(values)
    assert found.bounded == (len(values) > 2)


@given(amounts, st.randoms())
def test_the_order_of_rounds_does_not_matter(values, chance):
    mixed = values.copy()
    chance.shuffle(mixed)
    one, other = estimate(values), estimate(mixed)
    assert (one.median, one.rounds) == (other.median, other.rounds)
    assert isclose(one.low, other.low)
    assert isclose(one.high, other.high)


@given(several, st.floats(1e-3, 1e3))
def test_other_units_change_nothing_but_the_unit(values, factor):
    one, other = estimate(values), estimate([factor * value for value in values])
    assert isclose(one.low * factor, other.low, rel_tol=1e-6)
    assert isclose(one.high * factor, other.high, rel_tol=1e-6)


@given(several)
def test_no_interval_is_narrower_than_the_bootstrap(values):
    low, high = bootstrap(sorted(values))
    found = estimate(values)
    assert found.low <= low <= high <= found.high


@given(st.lists(st.floats(-1e6, 1e6), min_size=1, max_size=14))
def test_the_chances_of_all_medians_are_one(values):
    chances = intervals._chances(sorted(values))
    assert isclose(sum(chance for _, chance in chances), 1)
    assert all(chance > -1e-12 for _, chance in chances)


@pytest.mark.parametrize("count", [3, 4, 7, 10])
def test_the_exact_bootstrap_agrees_with_the_drawn_one(count):
    chance = random.Random(count)
    values = sorted(chance.gauss(0, 1) for _ in range(count))
    draws = sorted(median(chance.choices(values, k=count)) for _ in range(20_000))
    below = 0.0
    for value, probability in intervals._chances(values):
        below += probability
        assert sum(draw <= value + 1e-9 for draw in draws) / len(draws) == pytest.approx(below, abs=0.02)


@pytest.mark.parametrize("count", [3, 4, 5, 6, 7, 8, 11])
@pytest.mark.parametrize("heavy", [False, True], ids=["as usual", "heavy tails"])
def test_equal_servers_are_rarely_called_different(count, heavy):
    """Of ratios around 1, one in twenty intervals may leave 1 out; seeds are fixed, so this never changes."""
    chance = random.Random(10 * count + heavy)
    spread = (lambda: 0.5 if chance.random() < 0.2 else 0.05) if heavy else (lambda: 0.2)
    wrong = sum(estimate([exp(chance.gauss(0, spread())) for _ in range(count)]).excludes(1) for _ in range(2000))
    assert wrong / 2000 < 0.065


def test_a_clear_difference_is_claimed():
    assert estimate([1.5, 1.52, 1.48]).excludes(1)
    assert estimate([0.9, 0.91, 0.92, 0.9, 0.93, 0.9]).excludes(1)
    assert not estimate([1.5, 1.52]).excludes(1)


def test_only_rounds_that_both_have_are_paired():
    found = paired({0: 10.0, 1: 20.0, 2: 30.0, 5: 1.0}, {0: 5.0, 1: 10.0, 2: 15.0, 4: 9.0})
    assert (found.median, found.rounds) == (2.0, 3)
    assert paired({0: 1.0}, {1: 1.0}) is None
    assert paired({0: 1.0}, {0: 0.0}) is None
    assert paired_difference({0: 1.0, 1: 2.0}, {0: 3.0, 1: 4.0}).median == -2


@given(st.dictionaries(st.integers(0, 20), st.floats(1e-3, 1e3), min_size=3))
def test_a_server_is_not_faster_than_itself(rounds):
    found = paired(rounds, rounds)
    assert found.median == 1
    assert not found.excludes(1)


def test_the_interval_of_an_amount_is_never_negative():
    assert estimate([0.0, 0.0, 5.0]).low == 0
    assert estimate([0.0, 0.0, 5.0], differences=True).low < 0


def test_without_rounds_there_is_no_estimate():
    with pytest.raises(ValueError, match="no round"):
        estimate([])

"""Extrapolation from a sample: known answers of survey statistics, and intervals that hold what they promise."""

import math
import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sftmill.forecast import Stratum, _student, allocate, estimate_ratio, estimate_total, group


def test_a_whole_population_has_no_interval():
    found = estimate_total([Stratum(3, (1.0, 2.0, 3.0)), Stratum(1, (4.0,))])
    assert (found.value, found.low, found.high) == (10, 10, 10)


def test_the_total_weighs_each_stratum_with_its_size():
    # 10 units of which two were seen to cost 1 each, and 90 of which two were seen to cost 3 each
    found = estimate_total([Stratum(10, (1.0, 1.0)), Stratum(90, (3.0, 3.0))])
    assert found.value == 10 * 1 + 90 * 3


def test_the_interval_has_the_width_of_sampling_without_replacement():
    # one stratum: N=100, n=4, values 1 3 5 7: s^2 = 20/3, so sd of the rest = sqrt(N (N-n) s^2 / n) = 126.49
    found = estimate_total([Stratum(100, (1.0, 3.0, 5.0, 7.0))])
    assert found.value == pytest.approx(400)
    factor = math.exp(_student(3) * math.sqrt(100 * 96 * (20 / 3) / 4) / 384)
    assert found.high == pytest.approx(16 + 384 * factor)
    assert found.low == pytest.approx(16 + 384 / factor)


@pytest.mark.parametrize(
    ("freedom", "table"), [(1, 31.821), (2, 6.965), (4, 3.747), (5, 3.365), (10, 2.764), (60, 2.390)]
)
def test_students_t_agrees_with_the_tables(freedom, table):
    assert _student(freedom) == pytest.approx(table, rel=0.01)


def test_a_ratio_of_proportional_values_is_certain():
    found = estimate_ratio([Stratum(50, (2.0, 4.0, 6.0))], [Stratum(50, (1.0, 2.0, 3.0))])
    assert (found.value, found.low, found.high) == pytest.approx((2, 2, 2))


def test_a_cost_per_sample_without_samples_is_infinite():
    assert estimate_ratio([Stratum(9, (1.0, 1.0))], [Stratum(9, (0.0, 0.0))]).value == math.inf


def test_few_names_get_a_stratum_each_and_many_share_by_neighbourhood():
    assert group({"b": 5, "a": 1}, 2) == {"a": 0, "b": 1}
    assert group({"a": 10, "b": 10, "c": 10, "d": 10}, 2) == {"a": 0, "b": 0, "c": 1, "d": 1}


def test_the_allocation_follows_the_sizes_but_forgets_nobody():
    assert allocate({0: 900, 1: 90, 2: 10}, 100) == {0: 90, 1: 8, 2: 2}
    assert allocate({0: 1, 1: 5}, 100) == {0: 1, 1: 5}
    assert allocate({}, 10) == {}


@given(st.dictionaries(st.integers(0, 20), st.integers(1, 50), max_size=12), st.integers(1, 200))
def test_the_allocation_takes_what_was_asked_for_and_never_more_than_there_is(sizes, number):
    taken = allocate(sizes, number)
    assert all(min(2, size) <= taken[stratum] <= size for stratum, size in sizes.items())
    least = sum(min(2, size) for size in sizes.values())
    assert sum(taken.values()) == min(sum(sizes.values()), max(number, least))


def test_intervals_hold_the_true_total_about_as_often_as_they_promise():
    chance = random.Random(4)
    held = 0
    for _ in range(200):
        population = []
        for _ in range(chance.randint(2, 8)):
            scale = chance.lognormvariate(0, 1)
            population.append([scale * chance.lognormvariate(0, 0.8) for _ in range(chance.randint(20, 200))])
        taken = allocate({i: len(p) for i, p in enumerate(population)}, 60)
        strata = [Stratum(len(p), tuple(chance.sample(p, taken[i]))) for i, p in enumerate(population)]
        found = estimate_total(strata)
        held += found.low <= sum(map(sum, population)) <= found.high
    assert held >= 184

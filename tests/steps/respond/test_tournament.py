"""Tournaments: who meets whom, what it costs, and how often the best is found."""

import random
from itertools import combinations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sftmill.steps.respond.prefer.tournament import DESIGNS, expected, swiss


def play(design, size, judge, seed="", **settings):
    """Return the standing and the rounds of a tournament whose verdicts `judge(first, second)` gives."""
    game = DESIGNS[design](size, seed, **settings)
    rounds, shares = [], None
    while True:
        try:
            pairs = game.send(shares)
        except StopIteration as end:
            return end.value, rounds
        rounds.append(pairs)
        shares = [judge(*pair) for pair in pairs]


def strict(ranks):
    """Return a judge without noise."""
    return lambda first, second: float(ranks[first] > ranks[second])


def noisy(ranks, flips, seed):
    """Return a judge that is wrong with a chance of `flips`, always in the same way for the same pair."""
    drawn = random.Random(seed)
    wrong = {pair: drawn.random() < flips for pair in combinations(range(len(ranks)), 2)}
    return lambda a, b: float((ranks[a] > ranks[b]) != wrong[min(a, b), max(a, b)])


@given(st.permutations(range(9)), st.integers(1, 9), st.text(max_size=4))
@settings(max_examples=60, deadline=None)
def test_without_noise_a_knockout_always_finds_the_best_in_one_less_than_all(ranks, size, seed):
    ranks = ranks[:size]
    found, rounds = play("knockout", size, strict(ranks), seed)
    assert found.order[0] == ranks.index(max(ranks))
    assert sum(map(len, rounds)) == expected("knockout", size) == size - 1
    assert found.scores[found.order[0]] == max(found.scores)


@given(st.permutations(range(6)), st.integers(1, 6))
@settings(max_examples=30, deadline=None)
def test_without_noise_a_round_robin_finds_the_whole_order(ranks, size):
    found, rounds = play("round_robin", size, strict(ranks[:size]))
    assert list(found.order) == sorted(range(size), key=lambda item: -ranks[item])
    assert sum(map(len, rounds)) == size * (size - 1) // 2


@given(
    st.sampled_from(sorted(DESIGNS)),
    st.integers(0, 7),
    st.integers(0, 2**32),
    st.lists(st.sampled_from([0.0, 0.5, 1.0, None]), min_size=28, max_size=28),
)
@settings(max_examples=80, deadline=None)
def test_whatever_the_verdicts_no_pair_meets_twice_and_the_budget_holds(design, size, seed, verdicts):
    told = iter(verdicts)
    found, rounds = play(design, size, lambda first, second: next(told), str(seed))
    pairs = [tuple(sorted(pair)) for pairs in rounds for pair in pairs]
    assert len(pairs) == len(set(pairs)) <= expected(design, size)
    assert all(first != second for first, second in pairs)
    assert sorted(found.order) == list(range(size))
    assert len(found.outcomes) + found.missing == len(pairs)
    assert sum(found.chances) == pytest.approx(1 if size else 0)


@pytest.mark.parametrize(
    ("size", "prices"), [(5, (4, 5, 10)), (8, (7, 14, 28)), (16, (15, 60, 120)), (1, (0, 0, 0)), (0, (0, 0, 0))]
)
def test_prices_are_known_before(size, prices):
    assert tuple(expected(design, size) for design in ("knockout", "swiss", "round_robin")) == prices


def test_a_comparison_without_verdict_is_missing_and_never_a_tie():
    found, _ = play("round_robin", 3, lambda first, second: None)
    assert (found.outcomes, found.missing) == ((), 3)
    assert found.strengths.values == (0.0, 0.0, 0.0)
    tied, _ = play("round_robin", 3, lambda first, second: 0.5)
    assert (len(tied.outcomes), tied.missing) == (3, 0)
    assert tied.strengths.errors[0] < found.strengths.errors[0]


def test_the_same_seed_draws_the_same_bracket_and_another_seed_another_one():
    judge = strict(list(range(8)))
    rounds = [play("knockout", 8, judge, seed)[1][0] for seed in ("a", "a", "b")]
    assert rounds[0] == rounds[1] != rounds[2]


def test_with_ties_only_the_winner_is_drawn_by_chance_and_not_by_number():
    winners = {play("knockout", 8, lambda first, second: 0.5, str(seed))[0].order[0] for seed in range(40)}
    assert len(winners) > 4


def test_swiss_spends_what_it_may_and_stops_when_it_is_sure():
    judge = strict(list(range(6)))
    assert sum(map(len, play("swiss", 6, judge, comparisons=9)[1])) == 9
    assert sum(map(len, play("swiss", 6, judge, comparisons=99)[1])) == 15
    found, rounds = play("swiss", 6, judge, comparisons=15, sure=0.9)
    assert sum(map(len, rounds)) < 12, "the best has beaten all others"
    assert found.order[0] == 5
    found, rounds = play("swiss", 6, judge, comparisons=15, sure=0.3)
    assert sum(map(len, rounds)) < 9
    assert max(found.chances) > 0.3


def test_swiss_compares_those_that_may_be_the_best():
    ranks = list(range(8))
    _, rounds = play("swiss", 8, strict(ranks), "x")
    met = [item for pairs in rounds for pair in pairs for item in pair]
    assert met.count(7) > 2 * met.count(0)


def test_swiss_finds_the_best_nearly_as_often_as_everyone_against_everyone_at_half_the_price():
    won = {"swiss": 0, "round_robin": 0, "knockout": 0}
    prompts = 150
    for prompt in range(prompts):
        ranks = list(range(8))
        random.Random(prompt).shuffle(ranks)
        judge = noisy(ranks, 0.2, prompt)
        for design in won:
            won[design] += play(design, 8, judge, str(prompt))[0].order[0] == ranks.index(7)
    assert won["swiss"] >= won["round_robin"] - 0.06 * prompts, won
    assert won["swiss"] > 0.4 * prompts


def test_a_design_of_one_candidate_asks_nothing():
    with pytest.raises(StopIteration) as end:
        swiss(1).send(None)
    assert end.value.value.order == (0,)

"""Bradley-Terry strengths: known answers, and what must hold of every fit."""

from itertools import permutations
from math import log

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sftmill.steps.respond.prefer.bradley_terry import (
    NoFiniteStrength,
    chances_best,
    fit_strengths,
    game_votes,
    win_matrix,
)

SEASON = [[0, 6, 8], [4, 0, 7], [2, 3, 0]]
CHAIN = [[0, 2, 2], [0, 0, 2], [0, 0, 0]]


@st.composite
def tables(draw, least=2, most=6):
    size = draw(st.integers(least, most))
    cells = draw(st.lists(st.integers(0, 9), min_size=size * size, max_size=size * size))
    wins = np.array(cells, float).reshape(size, size)
    np.fill_diagonal(wins, 0)
    return wins


def test_two_items_with_three_wins_to_one_differ_by_log_three():
    strengths = fit_strengths([[0, 3], [1, 0]], prior=0)
    assert strengths.values[0] - strengths.values[1] == pytest.approx(log(3), abs=1e-9)
    assert strengths.elo[0] - strengths.elo[1] == pytest.approx(190.85, abs=5e-3)


def test_a_season_of_three_gives_the_known_strengths():
    strengths = fit_strengths(SEASON, prior=0)
    assert strengths.values == pytest.approx((0.59147, 0.14910, -0.74057), abs=1e-5)
    assert strengths.elo == pytest.approx((102.75, 25.90, -128.65), abs=5e-3)
    assert strengths.order() == [0, 1, 2]


@pytest.mark.parametrize(("prior", "top"), [(0.5, 1.1451), (0.1, 2.4046)])
def test_a_chain_of_nothing_but_wins_is_finite_with_a_prior(prior, top):
    wins = CHAIN
    assert fit_strengths(wins, prior).values == pytest.approx((top, 0, -top), abs=1e-4)


@pytest.mark.parametrize("wins", [CHAIN, [[0, 1], [0, 0]], [[0, 1, 0], [1, 0, 0], [0, 0, 0]], np.zeros((2, 2))])
def test_without_a_prior_what_has_no_maximum_is_an_error(wins):
    with pytest.raises(NoFiniteStrength, match="prior"):
        fit_strengths(wins, prior=0)


@pytest.mark.parametrize(
    ("wins", "prior"),
    [([[0, -1], [1, 0]], 0.5), ([[0, float("nan")], [1, 0]], 0.5), ([[0, 1, 2], [1, 0, 2]], 0.5), (SEASON, -1.0)],
)
def test_what_is_no_table_of_wins_is_refused(wins, prior):
    with pytest.raises(ValueError, match=r"square matrix|prior"):
        fit_strengths(wins, prior)


def test_none_and_one_item_have_nothing_to_fit():
    assert fit_strengths([]).values == ()
    assert fit_strengths([[0]], prior=0).values == (0.0,)
    assert chances_best(fit_strengths([[0]])) == [1.0]


def test_a_tie_is_half_a_win_for_each():
    assert win_matrix(2, [(0, 1, 0.5), (0, 1, 1.0)]).tolist() == [[0, 1.5], [0.5, 0]]


@given(tables())
@settings(max_examples=60, deadline=None)
def test_expected_wins_are_the_observed_ones_and_the_mean_is_zero(wins):
    strengths = fit_strengths(wins)
    values = np.array(strengths.values)
    counted = wins + 0.5 * (1 - np.eye(len(wins)))
    chance = 1 / (1 + np.exp(values - values[:, None]))
    assert ((counted + counted.T) * chance * (1 - np.eye(len(wins)))).sum(1) == pytest.approx(counted.sum(1), abs=1e-6)
    assert values.sum() == pytest.approx(0, abs=1e-9)


@given(tables(), st.randoms(use_true_random=False))
@settings(max_examples=60, deadline=None)
def test_the_order_of_items_and_of_rows_changes_nothing(wins, random):
    order = list(range(len(wins)))
    random.shuffle(order)
    moved = fit_strengths(wins[np.ix_(order, order)])
    still = fit_strengths(wins)
    assert moved.values == pytest.approx([still.values[i] for i in order], abs=1e-7)
    assert moved.errors == pytest.approx([still.errors[i] for i in order], abs=1e-7)


@given(st.lists(st.tuples(st.integers(0, 3), st.integers(0, 3), st.sampled_from([0.0, 0.5, 1.0])), max_size=20))
@settings(max_examples=60, deadline=None)
def test_swapped_seats_change_nothing(outcomes):
    outcomes = [o for o in outcomes if o[0] != o[1]]
    swapped = [(second, first, 1 - share) for first, second, share in outcomes]
    assert (win_matrix(4, outcomes) == win_matrix(4, swapped)).all()
    assert (win_matrix(4, outcomes) == win_matrix(4, outcomes[::-1])).all()


@given(tables(least=1))
@settings(max_examples=40, deadline=None)
def test_chances_to_be_the_best_add_up_and_never_change(wins):
    strengths = fit_strengths(wins)
    chances = chances_best(strengths)
    assert sum(chances) == pytest.approx(1)
    assert chances == chances_best(strengths)


def test_more_comparisons_make_surer():
    few, many = (fit_strengths(np.array(SEASON) * times) for times in (1, 20))
    assert chances_best(few)[0] < chances_best(many)[0] > 0.95
    assert many.errors[0] < few.errors[0]
    low, high = few.interval(0)
    assert low < few.values[0] < high
    low, high = many.gap_interval(0, 2)
    assert 0 < low < many.values[0] - many.values[2] < high


def test_the_interval_holds_the_truth_about_as_often_as_it_says():
    truth = np.array([0.8, 0.2, -0.3, -0.7])
    random = np.random.default_rng(3)
    inside = total = 0
    for _ in range(200):
        wins = np.zeros((4, 4))
        for first, second in permutations(range(4), 2):
            if first < second:
                won = random.binomial(30, 1 / (1 + np.exp(truth[second] - truth[first])))
                wins[first, second], wins[second, first] = won, 30 - won
        strengths = fit_strengths(wins, prior=0.01)
        inside += sum(
            low <= value <= high for value, (low, high) in zip(truth, map(strengths.interval, range(4)), strict=True)
        )
        total += 4
    assert 0.92 <= inside / total <= 0.98


def test_counts_of_a_million_and_priors_of_a_millionth_converge():
    assert fit_strengths([[0, 1e6], [1, 0]], 0).values[0] == pytest.approx(log(1e6) / 2)
    far = fit_strengths(CHAIN, 1e-9).values
    assert np.isfinite(far).all()
    assert far[0] > far[1] > far[2]


@pytest.mark.parametrize(
    ("games", "votes"),
    [
        (("B>>A", "A>B"), [1, 1, 1, 1]),
        (("B>A", "A>>B"), [1, 1, 1, 1]),
        (("A>B", "A>B"), [1, 0]),
        (("A=B", "A=B"), [0.5, 0.5]),
    ],
)
def test_votes_of_two_games_are_the_known_ones(games, votes):
    """The known votes are those of the answer that sits in seat B first."""
    straight, swapped = games
    assert game_votes(swapped, straight) == votes
    assert win_matrix(2, [(0, 1, vote) for vote in votes]).sum() == len(votes)

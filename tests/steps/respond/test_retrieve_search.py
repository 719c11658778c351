"""Search by words, and one ranking out of several: known answers."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sftmill.steps.respond.retrieve.bm25 import BM25, best, search_terms
from sftmill.steps.respond.retrieve.fusion import fuse, overlap, pick

TEXTS = [["cold", "store", "cold"], ["store"], ["pump", "room"]]


def test_bm25_gives_the_scores_of_a_calculation_by_hand():
    # N = 3, mean length 2; cold stands in one text, store in two
    cold, store = math.log(1 + 2.5 / 1.5), math.log(1 + 1.5 / 2.5)
    long, short = 1.2 * (0.25 + 0.75 * 3 / 2), 1.2 * (0.25 + 0.75 * 1 / 2)
    index = BM25(TEXTS)
    expected = [cold * 2 * 2.2 / (2 + long) + store * 2.2 / (1 + long), store * 2.2 / (1 + short), 0.0]
    assert index.scores(["cold", "store", "unheard"]).tolist() == pytest.approx(expected, rel=1e-6)
    assert expected == pytest.approx([1.5726, 0.5909, 0.0], abs=1e-4)


def test_a_term_that_a_question_has_twice_counts_twice():
    index = BM25(TEXTS)
    assert index.scores(["cold", "cold"])[0] == pytest.approx(2 * index.scores(["cold"])[0])


@pytest.mark.parametrize("texts", [[], [[]], [[], []]])
def test_nothing_to_search_finds_nothing(texts):
    index = BM25(texts)
    assert index.scores(["cold"]).tolist() == [0.0] * len(texts)
    assert best(index.scores(["cold"]), 5) == []


@given(
    st.lists(st.lists(st.sampled_from("abcdef"), max_size=8), max_size=12),
    st.lists(st.sampled_from("abcdefg"), max_size=5),
)
def test_the_index_agrees_with_the_formula_written_out(texts, question):
    size = len(texts)
    mean = (sum(map(len, texts)) / size if size else 0) or 1.0
    expected = []
    for text in texts:
        total = 0.0
        for term in question:
            has = sum(term in other for other in texts)
            tf = text.count(term)
            total += (
                math.log(1 + (size - has + 0.5) / (has + 0.5))
                * tf
                * 2.2
                / (tf + 1.2 * (0.25 + 0.75 * len(text) / mean))
            )
        expected.append(total)
    assert BM25(texts).scores(question).tolist() == pytest.approx(expected, rel=1e-5, abs=1e-6)


def test_what_a_text_is_found_by_is_the_same_in_both_scripts_and_notations():
    assert set(search_terms("二〇二四年")) & set(search_terms("2024年"))
    assert search_terms("資料庫") == search_terms("资料库")
    assert "冷却" in search_terms("冷却系统") and "冷却系统的" not in search_terms("冷却系统的")
    assert set(search_terms("Pumps were cooled")) == set(search_terms("the pump cools"))
    assert search_terms("") == search_terms("。，!") == []


def test_a_long_chinese_word_counts_beside_its_pairs():
    found = search_terms("人工智能")
    assert {"人工", "工智", "智能", "人工智能"} <= set(found)


def test_the_best_are_in_order_and_ties_go_to_the_earlier():
    scores = np.array([0.0, 2.0, 1.0, 2.0, 1.0], np.float32)
    assert best(scores, 3) == [1, 3, 2]
    assert best(scores, 10) == [1, 3, 2, 4]
    assert best(np.array([1.0, 1.0 + 1e-9])[:0], 3) == []
    assert best(np.array([0.3, 0.3 + 1e-9, -0.2]), 3, least=-1.0) == [0, 1, 2]


def test_reciprocal_ranks_are_added_up_as_by_hand():
    fused = fuse([([7, 3, 5], 1.0), ([3, 9], 1.0)])
    assert fused == [
        (3, pytest.approx(1 / 62 + 1 / 61)),
        (7, pytest.approx(1 / 61)),
        (9, pytest.approx(1 / 62)),
        (5, pytest.approx(1 / 63)),
    ]
    assert [place for place, _ in fuse([([1], 1.0), ([0], 1.0)])] == [0, 1], (
        "of equal scores the lower place comes first"
    )
    assert [place for place, _ in fuse([([1], 1.0), ([0], 0.5)])] == [1, 0]
    assert fuse([]) == []


@given(st.lists(st.permutations(range(6)), min_size=1, max_size=3))
def test_fusing_loses_and_invents_nothing_and_ignores_the_order_of_rankings(rankings):
    weighed = [(ranking, 1.0) for ranking in rankings]
    fused = fuse(weighed)
    assert sorted(place for place, _ in fused) == list(range(6))
    assert [place for place, _ in fused] == [place for place, _ in fuse(weighed[::-1])]


MATTER = {0: frozenset("abcdefghij"), 1: frozenset("abcdefghix"), 2: frozenset("klmno"), 3: frozenset("abcde")}


def test_what_says_the_same_is_taken_once():
    assert pick([0, 1, 2, 3], 4, None, len, MATTER.__getitem__, 0.9) == [0, 2], "3 lies within 0, 1 is almost 0"
    assert pick([3, 0, 2], 4, None, len, MATTER.__getitem__, 0.9) == [3, 2]
    assert overlap(frozenset(), MATTER[0]) == 0.0


def test_what_does_not_fit_is_passed_over_and_never_cut():
    sizes = {0: 60, 2: 50, 4: 30}
    matter = {0: frozenset("ab"), 2: frozenset("cd"), 4: frozenset("ef")}
    assert pick([0, 2, 4], 3, 100, sizes.__getitem__, matter.__getitem__, 0.9) == [0, 4]
    assert pick([0, 2, 4], 1, None, sizes.__getitem__, matter.__getitem__, 0.9) == [0]

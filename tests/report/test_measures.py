"""Measures of variety against known answers and brute force."""

import math
import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sftmill.report.measures import entropy, greatest_similarity, mean, percentile, rises
from sftmill.text import rouge_l, rouge_tokens

TEXTS = st.lists(st.text(alphabet="甲乙丙丁戊ab ", max_size=14).map(rouge_tokens), max_size=12)


def brute(rows, others, among=False):
    return [
        max((rouge_l(" ".join(a), " ".join(b)) if a or b else 0.0 for j, b in enumerate(others) if not (among and i == j)), default=0.0)
        for i, a in enumerate(rows)
    ]  # fmt: skip


@given(TEXTS, TEXTS)
def test_the_greatest_similarity_is_that_of_all_pairs_looked_at_one_by_one(rows, others):
    assert greatest_similarity(rows, others) == pytest.approx(brute(rows, others))


@given(TEXTS)
def test_among_themselves_rows_are_not_compared_with_themselves(rows):
    assert greatest_similarity(rows, rows, among=True) == pytest.approx(brute(rows, rows, among=True))


def test_known_similarities():
    rows = [rouge_tokens(text) for text in ("解释基金的风险", "Explain the risk of a fund", "天气")]
    others = [rouge_tokens(text) for text in ("解释债券的风险", "explain the cost of a fund")]
    assert greatest_similarity(rows, others) == pytest.approx([2 * 5 / 14, 2 * 5 / 12, 0.0])


def test_entropy_counts_bits():
    assert entropy([]) == 0
    assert entropy(["写"] * 9) == 0
    assert entropy(list("abcd")) == pytest.approx(2)
    assert entropy(["a", "a", "a", "b"]) == pytest.approx(-(0.75 * math.log2(0.75) + 0.25 * math.log2(0.25)))


def test_mean_and_percentile():
    assert mean([]) == percentile([], 0.9) == 0
    assert mean([0.2, 0.4]) == pytest.approx(0.3)
    assert percentile([n / 10 for n in range(1, 11)], 0.9) == 0.9


def test_a_rise_counts_when_it_is_large_and_not_by_chance():
    dice = random.Random(1)
    low, high = ([dice.gauss(middle, 0.1) for _ in range(100)] for middle in (0.4, 0.6))
    assert (rises(low, high), rises(high, low), rises(low, low)) == (1, -1, 0)
    assert rises([0.40] * 50, [0.43] * 50) == 0  # too small to matter
    assert rises([0.1, 0.9, 0.5], [0.2, 0.95, 0.6]) == 0  # may be chance

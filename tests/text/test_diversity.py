from itertools import pairwise

import pytest

from sftmill.text.diversity import distinct_pairs


def test_distinct_pairs_is_the_share_of_different_ones():
    assert distinct_pairs([]) == 0
    assert distinct_pairs([list("abc"), list("abd")]) == pytest.approx(3 / 4)
    assert distinct_pairs([list("ab")] * 5) == pytest.approx(1 / 5)


def test_distinct_2_is_one_without_repetition_and_falls_with_it():
    assert distinct_pairs([["a", "b", "c"], ["d", "e"]]) == 1
    assert distinct_pairs([["a", "b"], ["a", "b"]]) == 0.5
    assert distinct_pairs([]) == 0
    assert all(a >= b for a, b in pairwise(distinct_pairs([["a", "b"]] * n) for n in range(1, 5)))

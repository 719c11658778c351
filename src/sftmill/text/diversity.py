"""How much a set of texts repeats itself."""

from collections.abc import Sequence
from itertools import pairwise


def distinct_pairs(rows: Sequence[Sequence[str]]) -> float:
    """Return the share of different ones among all pairs of neighbouring tokens, 0 to 1; 0.0 of nothing.

    It is distinct-2 (Li et al. 2016, arXiv 1510.03055). It falls as a set grows, so that only sets of about one size
    can be compared.
    """
    pairs = [pair for row in rows for pair in pairwise(row)]
    return len(set(pairs)) / len(pairs) if pairs else 0.0

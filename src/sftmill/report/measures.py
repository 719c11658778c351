"""How varied instructions are: how near each comes to earlier ones, how many kinds of request, how many phrases."""

import math
from collections import Counter
from collections.abc import Sequence

import numpy as np

from sftmill.text import rouge_of

Tokens = Sequence[str]


def greatest_similarity(rows: Sequence[Tokens], others: Sequence[Tokens], among: bool = False) -> list[float]:
    """Return for each row its greatest ROUGE-L, 0 to 1, with any of the others; 0.0 where there are none.

    Rows and others are lists of tokens. `among` says that the two are the same list, so that a row is not compared
    with itself. Exact: most pairs are ruled out by the tokens that they share, which no common subsequence exceeds.
    """
    if not rows or not others:
        return [0.0] * len(rows)
    shared = _shared(rows, others)
    lengths = np.array([len(row) for row in others], np.float32)
    best = []
    for place, row in enumerate(rows):
        together = lengths + len(row)
        bounds = 2 * shared[place] / np.maximum(together, 1)
        if among:
            bounds[place] = -1
        found = 0.0
        for other in np.argsort(-bounds, kind="stable"):
            if bounds[other] <= found + 1e-6:
                break
            found = max(found, rouge_of(row, others[other]))
        best.append(found)
    return best


def _shared(rows: Sequence[Tokens], others: Sequence[Tokens]) -> np.ndarray:
    """Return how many tokens each two texts have in common, each as often as it stands in both."""
    left, right = [_numbered(row) for row in rows], [_numbered(row) for row in others]
    known = sorted(set().union(*left) & set().union(*right))
    place = {token: number for number, token in enumerate(known)}

    def matrix(texts: list[set[tuple[str, int]]]) -> np.ndarray:
        made = np.zeros((len(texts), max(1, len(known))), np.float32)
        for number, text in enumerate(texts):
            made[number, [place[token] for token in text if token in place]] = 1
        return made

    return matrix(left) @ matrix(right).T


def _numbered(row: Tokens) -> set[tuple[str, int]]:
    """Return the tokens of a text, the second of two equal ones told apart from the first."""
    seen: Counter[str] = Counter()
    found = set()
    for token in row:
        found.add((token, seen[token]))
        seen[token] += 1
    return found


def entropy(words: Sequence[str]) -> float:
    """Return the entropy of words in bits: 0 where all are the same, log2(n) where n are equally frequent."""
    total = len(words)
    return sum(-n / total * math.log2(n / total) for n in Counter(words).values()) + 0.0 if total else 0.0


def mean(values: Sequence[float]) -> float:
    """Return the mean; 0.0 of nothing."""
    return math.fsum(values) / len(values) if values else 0.0


def percentile(values: Sequence[float], share: float) -> float:
    """Return the smallest value that this share of all does not exceed (nearest rank); 0.0 of nothing."""
    ranked = sorted(values)
    return ranked[max(0, math.ceil(len(ranked) * share) - 1)] if ranked else 0.0


def rises(first: Sequence[float], last: Sequence[float], least: float = 0.05) -> int:
    """Return 1, -1 or 0: whether the mean of the last values is above, below or about that of the first.

    A difference counts when it is at least `least` and twice its standard error.
    """
    difference = mean(last) - mean(first)
    error = math.sqrt(sum(_variance(values) / max(1, len(values)) for values in (first, last)))
    if abs(difference) < max(least, 2 * error):
        return 0
    return 1 if difference > 0 else -1


def _variance(values: Sequence[float]) -> float:
    middle = mean(values)
    return math.fsum((value - middle) ** 2 for value in values) / max(1, len(values) - 1)

"""How sure an acceptance rate is, and how far two reviewers agree."""

import math
from collections import Counter
from collections.abc import Sequence

Z95 = 1.959964
"""Normal quantile of a two-sided 95 % interval."""


def wilson(hits: int, number: int) -> tuple[float, float]:
    """Return the 95 % interval of a share (Wilson 1927); (0, 1) when nothing was counted."""
    if not number:
        return 0.0, 1.0
    share, square = hits / number, Z95 * Z95
    middle = (share + square / (2 * number)) / (1 + square / number)
    half = Z95 / (1 + square / number) * math.sqrt(share * (1 - share) / number + square / (4 * number * number))
    return max(0.0, middle - half), min(1.0, middle + half)


def kappa(pairs: Sequence[tuple[str, str]]) -> float | None:
    """Return Cohen's kappa (1960) of two reviewers' verdicts on the same samples, 1 = always the same.

    None where it says nothing: no pairs, or one and the same verdict throughout.
    """
    number = len(pairs)
    if not number:
        return None
    observed = sum(a == b for a, b in pairs) / number
    first, second = Counter(a for a, _ in pairs), Counter(b for _, b in pairs)
    chance = sum(first[word] * second[word] for word in first) / number**2
    return (observed - chance) / (1 - chance) if chance < 1 else None

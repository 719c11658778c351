"""Choosing the best of N: the order in which candidates are judged, who wins, what it costs in divergence."""

import math
from collections.abc import Sequence

from sftmill.text import content_hash, normalise


def kl_bound(n: int) -> float:
    """Return the upper bound of KL(best-of-n || base) in nats: ln n - (n - 1) / n; 0 for n = 1.

    Raises ValueError for n < 1.
    """
    if n < 1:
        raise ValueError(f"n must be 1 or more, not {n}")
    return math.log(n) - (n - 1) / n


def distinct(texts: Sequence[str]) -> list[int]:
    """Return the numbers of the texts that differ in more than spaces and width; of equal ones the shortest."""
    seen: dict[str, int] = {}
    for number in shortest_first(texts):
        seen.setdefault(normalise(texts[number]).strip(), number)
    return sorted(seen.values())


def shortest_first(texts: Sequence[str]) -> list[int]:
    """Return the numbers of the texts from the shortest to the longest; equally long ones by a hash of the text.

    The order does not depend on the order in which they came.
    """
    return sorted(range(len(texts)), key=lambda number: (len(texts[number]), content_hash(texts[number])))


def pick(texts: Sequence[str], scores: Sequence[float | None], tie: float = 0.0) -> int | None:
    """Return the number of the winner: the shortest of those whose score is within `tie` of the highest.

    None where no candidate has a score.
    """
    given = [score for score in scores if score is not None]
    if not given:
        return None
    least = max(given) - tie - 1e-9
    return next(number for number in shortest_first(texts) if (score := scores[number]) is not None and score >= least)


def pick_worst(
    texts: Sequence[str], scores: Sequence[float | None], refused: Sequence[bool], winner: int, tie: float
) -> int | None:
    """Return the number of the candidate to learn against: a refused one, or else the one scored lowest; None without.

    Of several refused ones the one that is nearest to the winner in length, so that the pair does not teach length.
    What is within `tie` of the winner's score is no worse.
    """
    order = shortest_first(texts)
    wrong = [number for number in order if refused[number]]
    if wrong:
        return min(wrong, key=lambda number: abs(len(texts[number]) - len(texts[winner])))
    top = scores[winner]
    lower = [n for n in order if top is not None and (s := scores[n]) is not None and s < top - tie - 1e-9]
    return min(lower, key=lambda number: scores[number]) if lower else None


def length_ratio(texts: Sequence[str], winner: int) -> float:
    """Return the winner's length over the mean length of all candidates, in characters."""
    mean = sum(map(len, texts)) / len(texts)
    return round(len(texts[winner]) / mean, 4) if mean else 1.0

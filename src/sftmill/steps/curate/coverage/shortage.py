"""Whether a count is short of what another count calls for, or whether chance explains it.

Two counts come from two sets of different sizes: x of the demand, which counts n in all, and y of the pool, which
counts m. The pool's share is as large as `ratio` times the demand's, or larger, unless the counts speak against it.
Given x + y, y then is binomial with the chance m * ratio / (m * ratio + n) for each, or more: the exact test of two
Poisson rates (Przyborowski and Wilenski 1940). It takes the noise of both counts into account, and needs no
approximation for the small counts that most cells of a grid have.

Many cells are looked at at once, and most of them could never be told short, because they are asked about too seldom.
Those are set aside first, by x + y alone, which says nothing of how the two divide (Tarone 1990); among the others the
share of findings that are none is kept within the risk (Benjamini and Hochberg 1995).
"""

import math
from collections.abc import Sequence

_TINY = 1e-300
_MOST_STEPS = 10_000


def chance_of_so_few(x: float, n: float, y: float, m: float, ratio: float) -> float:
    """Return the chance of y or fewer among x + y if the pool's share is `ratio` times the demand's.

    x of n and y of m were counted; x may be an effective count, which is no whole number. 1.0 where x is 0.
    """
    if x <= 0:
        return 1.0
    return regularised_beta(n / (m * ratio + n), x, y + 1)


def least_chance(x: float, n: float, y: float, m: float, ratio: float) -> float:
    """Return the smallest chance that x + y can give, however they divide: that of nothing in the pool."""
    return (n / (m * ratio + n)) ** (x + y)


def proved(chances: Sequence[float], least: Sequence[float], risk: float) -> list[bool]:
    """Return which of several tests hold, so that of those that do a share of at most `risk` is expected to be wrong.

    `chances` are what the tests gave, `least` the smallest that each could have given.
    """
    ranked = sorted(chance for chance, smallest in zip(chances, least, strict=True) if smallest <= risk)
    bounds = [chance for rank, chance in enumerate(ranked, 1) if chance <= risk * rank / len(ranked)]
    return [
        bool(bounds) and smallest <= risk and chance <= bounds[-1]
        for chance, smallest in zip(chances, least, strict=True)
    ]


def regularised_beta(x: float, a: float, b: float) -> float:
    """Return the regularised incomplete beta function I_x(a, b), for 0 <= x <= 1 and positive a and b.

    For whole numbers it is a binomial tail: I_x(a, b) is the chance of a or more among a + b - 1, each with chance x.
    By its continued fraction (DLMF 8.17.22), evaluated by the method of Lentz.
    """
    if x <= 0 or x >= 1:
        return 0.0 if x <= 0 else 1.0
    if x > (a + 1) / (a + b + 2):  # the fraction converges fast on the other side only
        return 1.0 - regularised_beta(1 - x, b, a)
    front = a * math.log(x) + b * math.log1p(-x) + math.lgamma(a + b) - math.lgamma(a) - math.lgamma(b)
    return min(1.0, math.exp(front) / (a * _fraction(x, a, b)))


def _fraction(x: float, a: float, b: float) -> float:
    """Return 1 + d1 / (1 + d2 / (1 + ...)), the fraction by which the front is divided."""
    value = upper = 1.0
    lower = 0.0
    for step in range(1, _MOST_STEPS):
        half, odd = divmod(step, 2)
        if odd:
            term = -(a + half) * (a + b + half) * x / ((a + 2 * half) * (a + 2 * half + 1))
        else:
            term = half * (b - half) * x / ((a + 2 * half - 1) * (a + 2 * half))
        lower = 1 / (_apart(1 + term * lower))
        upper = _apart(1 + term / upper)
        value *= upper * lower
        if abs(upper * lower - 1) < 1e-14:
            break
    return value


def _apart(value: float) -> float:
    return value if abs(value) > _TINY else _TINY

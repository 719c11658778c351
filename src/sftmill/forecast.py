"""From a sample to the whole: stratified estimates with intervals, for what a run will cost and yield."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import NormalDist, fmean

CONFIDENCE = 0.98
"""Nominal level of the intervals. Costs have long tails, of which a sample sees too little: on 1,500 simulated
folders with a sample of 100 rows, intervals of nominal 98 % held the truth in 96 % of cases, those of 95 % in 93 %."""
FEWEST = 2
"""Units taken of a stratum, where it has them: fewer say nothing about how much they differ."""
ENOUGH = 5
"""Units of a stratum from which on it has a variance of its own."""


@dataclass(frozen=True, slots=True)
class Interval:
    """An estimate and the range in which the true value should lie."""

    value: float
    low: float
    high: float

    def plus(self, known: float) -> "Interval":
        """Return the interval of the sum with a known amount."""
        return Interval(self.value + known, self.low + known, self.high + known)


@dataclass(frozen=True, slots=True)
class Stratum:
    """Part of a population, and the values found in the sample taken of it."""

    size: int
    """Units in the population."""
    values: tuple[float, ...]
    """One for each unit sampled."""


def group(sizes: Mapping[str, int], most: int) -> dict[str, int]:
    """Return for each name the number of its stratum, neighbours in name order sharing one where there are too many.

    The strata are about equally large when names have to share.
    """
    names = sorted(sizes)
    if len(names) <= most:
        return {name: number for number, name in enumerate(names)}
    total, before = sum(sizes.values()), 0
    strata = {}
    for name in names:
        strata[name] = min(most - 1, before * most // max(1, total))
        before += sizes[name]
    return strata


def allocate(sizes: Mapping[int, int], number: int) -> dict[int, int]:
    """Share `number` units among strata in proportion to their sizes, at least two for each that has them."""
    taken = {stratum: min(size, FEWEST) for stratum, size in sizes.items()}
    total = sum(sizes.values())
    if not total:
        return taken
    wish = {stratum: number * size / total for stratum, size in sizes.items()}
    for _ in range(max(0, min(number, total) - sum(taken.values()))):
        open_ones = [stratum for stratum in sizes if taken[stratum] < sizes[stratum]]
        # the stratum that is furthest behind its share; the number breaks ties, so that runs agree
        best = max(open_ones, key=lambda stratum: (wish[stratum] - taken[stratum], -stratum))
        taken[best] += 1
    return taken


def estimate_total(strata: Sequence[Stratum]) -> Interval:
    """Return the total over the population: what was seen is known, the rest is estimated.

    Stratified estimator with the variance of sampling without replacement (Cochran, Sampling Techniques,
    sections 5.3 to 5.5), Student's t. The interval is taken on the
    logarithm of what is unknown, since costs are skewed to the right and never negative.
    """
    known = sum(sum(stratum.values) for stratum in strata)
    unknown, deviation, freedom = _unseen(strata)
    if unknown <= 0 or deviation == 0:
        return Interval(unknown, unknown, unknown).plus(known)
    factor = math.exp(min(_student(freedom) * deviation / unknown, 20.0))
    high = (unknown + _skew(strata)) * factor
    return Interval(unknown, unknown / factor, high).plus(known)


def estimate_ratio(above: Sequence[Stratum], below: Sequence[Stratum]) -> Interval:
    """Return the ratio of two totals over the same units, such as cost per accepted sample.

    Linearised as in Cochran, section 6.11; infinite where the lower total is zero.
    """
    over, under = estimate_total(above).value, estimate_total(below).value
    if under <= 0:
        return Interval(math.inf, math.inf, math.inf)
    ratio = over / under
    residuals = [
        Stratum(a.size, tuple(x - ratio * y for x, y in zip(a.values, b.values, strict=True)))
        for a, b in zip(above, below, strict=True)
    ]
    _, deviation, freedom = _unseen(residuals)
    if ratio <= 0 or deviation == 0:
        return Interval(ratio, ratio, ratio)
    factor = math.exp(min(_student(freedom) * deviation / under / ratio, 20.0))
    return Interval(ratio, ratio / factor, ratio * factor)


def _unseen(strata: Sequence[Stratum]) -> tuple[float, float, float]:
    """Return the estimated total of the units not sampled, its standard deviation, and the degrees of freedom.

    A stratum with too few values for a variance of its own has the pooled one. The degrees of freedom are
    Satterthwaite's (Cochran, section 5.4).
    """
    everything = [value for stratum in strata for value in stratum.values]
    pooled_squares = pooled_freedom = 0.0
    for stratum in strata:
        if stratum.values:
            mean = fmean(stratum.values)
            pooled_squares += sum((value - mean) ** 2 for value in stratum.values)
            pooled_freedom += len(stratum.values) - 1
    pooled = pooled_squares / pooled_freedom if pooled_freedom else 0.0
    unknown = variance = below = 0.0
    for stratum in strata:
        number = len(stratum.values)
        left = stratum.size - number
        mean = fmean(stratum.values) if number else fmean(everything) if everything else 0.0
        unknown += left * mean
        if not left:
            continue
        own = number >= ENOUGH
        spread = sum((value - mean) ** 2 for value in stratum.values) / (number - 1) if own else pooled
        part = stratum.size * left / max(1, number) * spread
        variance += part
        below += part**2 / (number - 1 if own else max(1.0, pooled_freedom))
    return unknown, math.sqrt(variance), variance**2 / below if below else 0.0


def _skew(strata: Sequence[Stratum]) -> float:
    """Return how far above the estimate the middle of the interval lies, because costly units are rare.

    The first term of Johnson's modified t (Journal of the American Statistical Association 73, 1978), over
    the deviations from the strata's means. A sample that has missed the costliest units shows too small a
    variance as well, so that an interval without it would be exceeded twice as often as it should.
    """
    deviations = [v - fmean(stratum.values) for stratum in strata if stratum.values for v in stratum.values]
    squares = sum(d**2 for d in deviations)
    if not squares:
        return 0.0
    left = sum(stratum.size - len(stratum.values) for stratum in strata)
    return max(0.0, left * sum(d**3 for d in deviations) / squares / (6 * len(deviations)))


def _student(freedom: float) -> float:
    """Return the two-sided quantile of Student's t; exact for 1 and 2 degrees, else Abramowitz and Stegun, 26.7.5."""
    tail = (1 - CONFIDENCE) / 2
    if freedom < 2:
        return 1 / math.tan(math.pi * tail)
    if freedom < 3:
        return (1 - 2 * tail) * math.sqrt(2 / (4 * tail * (1 - tail)))
    z = NormalDist().inv_cdf(1 - tail)
    n = freedom
    return (
        z
        + (z**3 + z) / (4 * n)
        + (5 * z**5 + 16 * z**3 + 3 * z) / (96 * n**2)
        + (3 * z**7 + 19 * z**5 + 17 * z**3 - 15 * z) / (384 * n**3)
    )

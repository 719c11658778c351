"""Strengths from comparisons of two: the Bradley-Terry model with a prior.

P(i beats j) = 1 / (1 + exp(-(s_i - s_j))), fitted by maximum likelihood (Bradley & Terry 1952). A tie counts half a
win for each. With few comparisons per prompt an item that wins all of them has no finite strength, so that a prior of
virtual wins keeps the fit finite; without one such a case is an error, never a large number.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from math import log

import numpy as np

ELO = 400 / log(10)
"""Points of the Elo scale for one unit of log-strength: 400 points are odds of ten to one."""
PRIOR = 0.5
"""Virtual wins in each direction for every pair of items."""
STEPS, CLOSE = 100, 1e-10
"""Newton steps at most, and the gradient's largest part, as a share of the comparisons, at which the fit is done."""
FARTHEST = 2.0
"""Longest Newton step in log-strength: far from the maximum longer ones overshoot."""
NORMAL_95 = 1.959964
"""Half width of a 95 % interval in standard errors of a normal distribution."""
VOTES: dict[str, tuple[float, ...]] = {
    "A>>B": (1.0, 1.0, 1.0),
    "A>B": (1.0,),
    "A=B": (0.5,),
    "B>A": (0.0,),
    "B>>A": (0.0, 0.0, 0.0),
}
"""Votes for seat A by label."""
DRAWS = 1024
"""Sets of strengths drawn to see who may be the best; their error of a probability is at most 0.016."""


class NoFiniteStrength(ValueError):
    """The comparisons alone do not fix the strengths: some items have only won, only lost, or never met the others."""


@dataclass(frozen=True, slots=True)
class Strengths:
    """Fitted log-strengths, mean 0, with the standard error of each."""

    values: tuple[float, ...]
    errors: tuple[float, ...]
    covariance: np.ndarray = field(repr=False, compare=False)
    """n x n, of rank n - 1, since only differences of strengths are measured."""

    @property
    def elo(self) -> tuple[float, ...]:
        """The strengths on the Elo scale, mean 0."""
        return tuple(value * ELO for value in self.values)

    def interval(self, item: int) -> tuple[float, float]:
        """Return the 95 % interval of an item's log-strength."""
        half = NORMAL_95 * self.errors[item]
        return self.values[item] - half, self.values[item] + half

    def gap_interval(self, first: int, second: int) -> tuple[float, float]:
        """Return the 95 % interval of the gap in log-strength between two items."""
        cov = self.covariance
        half = NORMAL_95 * max(0.0, cov[first, first] + cov[second, second] - 2 * cov[first, second]) ** 0.5
        gap = self.values[first] - self.values[second]
        return float(gap - half), float(gap + half)

    def order(self) -> list[int]:
        """Return the items from the strongest to the weakest, equals by their number."""
        return sorted(range(len(self.values)), key=lambda item: (-self.values[item], item))


def win_matrix(size: int, outcomes: Sequence[tuple[int, int, float]]) -> np.ndarray:
    """Return how often each item beat each other one, from (first, second, share of the win that the first gets)."""
    wins = np.zeros((size, size))
    for first, second, share in outcomes:
        wins[first, second] += share
        wins[second, first] += 1 - share
    return wins


def game_votes(straight: str, swapped: str) -> list[float]:
    """Return the votes that the first answer gets in two games, in the second of which it sits in seat B.

    Labels are A>>B, A>B, A=B, B>A and B>>A; a clear win counts three (Arena-Hard-Auto, show_result.py).
    """
    return [*VOTES[straight], *(1 - vote for vote in VOTES[swapped])]


def fit_strengths(wins: Sequence[Sequence[float]] | np.ndarray, prior: float = PRIOR) -> Strengths:
    """Fit the log-strengths of n items to an n x n matrix of wins (row beats column), by Newton's method.

    `prior` adds so many wins in each direction to every pair. Raises NoFiniteStrength where it is 0 and the items are
    not strongly connected by wins (Ford 1957), for then the likelihood has no maximum; ValueError where the matrix is
    none of counts, or the prior is below 0.
    """
    counts = np.array(wins, dtype=float)
    size = len(counts)
    if size == 0:
        return Strengths((), (), np.zeros((0, 0)))
    if counts.shape != (size, size) or not np.isfinite(counts).all() or (counts < 0).any():
        raise ValueError(f"wins must be a square matrix of counts >= 0, not one of shape {counts.shape}")
    if not 0 <= prior < float("inf"):
        raise ValueError(f"the prior must be a number of wins >= 0, not {prior}")
    counts += prior
    diagonal = np.arange(size)
    counts[diagonal, diagonal] = 0
    if size > 1 and not prior and not connected(counts):
        raise NoFiniteStrength("an item has only won or only lost; give a prior above 0, or compare more pairs")
    games, won = counts + counts.T, counts.sum(1)
    strengths, found = np.zeros(size), np.zeros((size, size))
    close = CLOSE * max(1.0, won.max())
    for _ in range(STEPS):
        chance = 1 / (1 + np.exp(strengths - strengths[:, None]))
        expected = games * chance
        gradient = won - expected.sum(1)
        weights = expected * (1 - chance)
        found = -weights
        found[diagonal, diagonal] += weights.sum(1)
        if np.abs(gradient).max() < close:
            break
        step = _solve(found, gradient)
        farthest = np.abs(step).max()
        strengths = strengths + (step if farthest <= FARTHEST else step * (FARTHEST / farthest))
    strengths = strengths - strengths.mean()
    covariance = _solve(found, None)
    errors = np.sqrt(np.clip(covariance[diagonal, diagonal], 0, None))
    return Strengths(tuple(strengths.tolist()), tuple(errors.tolist()), covariance)


def _solve(information: np.ndarray, gradient: np.ndarray | None) -> np.ndarray:
    """Return the Newton step, or without a gradient the covariance: the inverse on what the constants do not span.

    A constant added to all strengths changes nothing, so the information is singular in that one direction; with a
    matrix of equal numbers added it is regular there, and what that adds is taken away again.
    """
    size = len(information)
    level = max(float(np.trace(information)) / size, 1e-300) / size
    try:
        if gradient is not None:
            return np.linalg.solve(information + level, gradient)
        return np.linalg.inv(information + level) - 1 / (level * size * size)
    except np.linalg.LinAlgError:  # strengths so far apart that weights have vanished
        if gradient is not None:
            return np.linalg.lstsq(information, gradient, rcond=None)[0]
        return np.linalg.pinv(information, hermitian=True)


def connected(counts: np.ndarray) -> bool:
    """Tell whether every item is linked to every other one by a chain of wins."""
    size = len(counts)
    for edges in (counts > 0, counts.T > 0):
        seen = {0}
        front = [0]
        while front:
            for item in np.flatnonzero(edges[front.pop()]).tolist():
                if item not in seen:
                    seen.add(item)
                    front.append(item)
        if len(seen) < size:
            return False
    return True


def draw_strengths(strengths: Strengths) -> np.ndarray:
    """Return DRAWS x n sets of strengths from the normal distribution around the fit; always the same ones."""
    size = len(strengths.values)
    scales, axes = np.linalg.eigh(strengths.covariance)
    spread = axes * np.sqrt(np.clip(scales, 0, None))
    return np.asarray(strengths.values) + _normal(size) @ spread.T


@lru_cache(maxsize=32)
def _normal(size: int) -> np.ndarray:
    """Return standard normal draws, each with its mirror image, from a generator whose numbers never change."""
    half = np.random.RandomState(15).standard_normal((DRAWS // 2, size))
    return np.concatenate([half, -half])


def chances_best(strengths: Strengths) -> list[float]:
    """Return for each item the chance that it is the strongest, as far as the comparisons tell; they add up to 1.

    Normal errors around the fit (Laplace). With the prior of half a win the chances are cautious: on simulated
    verdicts of which 20 % are wrong, leaders with a mean chance of .43 were right in .51 of the cases.
    """
    size = len(strengths.values)
    if size < 2:
        return [1.0] * size
    return (np.bincount(draw_strengths(strengths).argmax(1), minlength=size) / DRAWS).tolist()

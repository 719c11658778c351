"""Who meets whom: designs that find the best of N candidates, or their order, with few comparisons.

A design is a generator: it yields the pairs of a round, is sent the share of the win that the first of each pair got
(1, 0.5 or 0; None where there was no verdict), and returns the standing at its end. All pairs of a round can be asked
for at once. No pair meets twice: a judge asked twice says the same.

    knockout      N - 1 comparisons; finds the best only, and one wrong verdict ends a candidate
    swiss         each next pair is the one that tells most about who is best; half of all pairs by default
    round_robin   N (N - 1) / 2 comparisons: everyone meets everyone
"""

import random
from collections import Counter
from collections.abc import Callable, Generator, Sequence
from dataclasses import dataclass
from itertools import combinations
from math import ceil
from typing import NamedTuple

import numpy as np

from sftmill.steps.respond.prefer.bradley_terry import (
    PRIOR,
    Strengths,
    chances_best,
    draw_strengths,
    fit_strengths,
    win_matrix,
)

Pair = tuple[int, int]
Round = list[Pair]
Share = float | None


class Outcome(NamedTuple):
    """What came of a comparison: the share of the win that the first got."""

    first: int
    second: int
    share: float


@dataclass(frozen=True, slots=True)
class Standing:
    """Where a tournament stands: all outcomes, the strengths fitted to them, and who leads."""

    outcomes: tuple[Outcome, ...]
    strengths: Strengths
    order: tuple[int, ...]
    """The candidates from the best to the worst."""
    chances: tuple[float, ...]
    """The chance of each to be the best, as far as the outcomes tell."""
    missing: int = 0
    """Comparisons without a verdict."""

    @property
    def scores(self) -> list[float]:
        """A score for each candidate in the order that the design found: its strength, and a knockout's winner on top.

        Equal strengths have equal scores.
        """
        values = list(self.strengths.values)
        if self.order and max(values) > values[self.order[0]]:
            values[self.order[0]] = max(values)
        return values


Design = Generator[Round, Sequence[Share], Standing]


def knockout(size: int, seed: str = "", *, prior: float = PRIOR, **_: object) -> Design:
    """Pair the candidates by chance, then the winners, until one is left.

    A tie, or a comparison without a verdict, goes to the one that stands first in the bracket, which is drawn from
    `seed`. Where the number is odd the last one has a bye.
    """
    outcomes: list[Outcome] = []
    missing = 0
    bracket = shuffled(size, seed)
    field = list(bracket)
    while len(field) > 1:
        pairs = list(zip(field[::2], field[1::2], strict=False))
        shares = yield pairs
        outcomes += heard(pairs, shares)
        missing += len(pairs) - len(heard(pairs, shares))
        bye = field[len(pairs) * 2 :]
        winners = [pair[1] if share is not None and share < 0.5 else pair[0] for pair, share in _both(pairs, shares)]
        field = winners + bye
    return standing(size, outcomes, bracket, prior, missing, winner=field[0] if field else None)


def round_robin(size: int, seed: str = "", *, prior: float = PRIOR, **_: object) -> Design:
    """Let everyone meet everyone, in one round, then fit the strengths."""
    order = shuffled(size, seed)
    pairs = list(combinations(order, 2))
    shares = (yield pairs) if pairs else []
    outcomes = heard(pairs, shares)
    return standing(size, outcomes, order, prior, len(pairs) - len(outcomes))


def swiss(
    size: int,
    seed: str = "",
    *,
    prior: float = PRIOR,
    comparisons: int | None = None,
    sure: float | None = None,
) -> Design:
    """Let those meet whose comparison tells most about who is best, one pair after the other.

    The next pair is the one with the most information: what its outcome would say about which candidate is the best
    (mutual information, over strengths drawn around the fit). `comparisons` is the most that are spent; None = half
    of all pairs. `sure` ends it as soon as a candidate is the best with more than that chance, or has beaten all.
    """
    order = shuffled(size, seed)
    most = size * (size - 1) // 2
    budget = expected("swiss", size) if comparisons is None else max(0, min(comparisons, most))
    left = list(combinations(order, 2))
    outcomes: list[Outcome] = []
    for _ in range(budget):
        strengths = fit_strengths(win_matrix(size, outcomes), prior)
        if sure is not None and (max(chances_best(strengths)) > sure or beat_all(size, outcomes)):
            break
        pair = most_telling(strengths, left)
        left.remove(pair)
        shares = yield [pair]
        outcomes += heard([pair], shares)
    return standing(size, outcomes, order, prior, most - len(left) - len(outcomes))


def beat_all(size: int, outcomes: Sequence[Outcome]) -> bool:
    """Tell whether a candidate has won against every other one, so that no comparison can take the lead from it."""
    won = Counter(one.first if one.share > 0.5 else one.second for one in outcomes if one.share != 0.5)
    return max(won.values(), default=0) == size - 1


def most_telling(strengths: Strengths, pairs: Sequence[Pair]) -> Pair:
    """Return the pair whose outcome says most about who is best; of equal ones the first.

    With B the best candidate and Y the outcome it is the pair with the largest I(B; Y) = H(Y) - H(Y | B).
    """
    drawn = draw_strengths(strengths)
    first, second = np.array(pairs).T
    chance = 1 / (1 + np.exp(drawn[:, second] - drawn[:, first]))
    best = np.equal.outer(np.arange(drawn.shape[1]), drawn.argmax(1)).astype(float)
    times = best.sum(1, keepdims=True)
    given = best @ chance / np.maximum(times, 1)
    gain = _entropy(chance.mean(0)) - (times * _entropy(given)).sum(0) / len(drawn)
    return pairs[int(np.argmax(np.round(gain, 9)))]


def _entropy(chance: np.ndarray) -> np.ndarray:
    """Return the entropy of a coin with this chance, in nats."""
    inside = np.clip(chance, 1e-12, 1 - 1e-12)
    return -(inside * np.log(inside) + (1 - inside) * np.log1p(-inside))


def standing(
    size: int,
    outcomes: Sequence[Outcome],
    order: Sequence[int],
    prior: float = PRIOR,
    missing: int = 0,
    winner: int | None = None,
) -> Standing:
    """Return the standing after some outcomes; equals stand in the order given, a design's own winner first."""
    strengths = fit_strengths(win_matrix(size, outcomes), prior)
    place = {item: number for number, item in enumerate(order)}
    ranked = sorted(range(size), key=lambda item: (item != winner, -round(strengths.values[item], 9), place[item]))
    return Standing(tuple(outcomes), strengths, tuple(ranked), tuple(chances_best(strengths)), missing)


def heard(pairs: Round, shares: Sequence[Share]) -> list[Outcome]:
    """Return the outcomes of the pairs that have a verdict."""
    return [Outcome(*pair, share) for pair, share in _both(pairs, shares) if share is not None]


def _both(pairs: Round, shares: Sequence[Share]) -> list[tuple[Pair, Share]]:
    return list(zip(pairs, shares, strict=True))


DESIGNS: dict[str, Callable[..., Design]] = {"knockout": knockout, "swiss": swiss, "round_robin": round_robin}
"""Every design by the name that recipes use."""


def expected(design: str, size: int) -> int:
    """Return how many comparisons a design takes at most for so many candidates; each is two calls, one per seat."""
    every = size * (size - 1) // 2
    return {"knockout": max(0, size - 1), "swiss": ceil(every / 2), "round_robin": every}[design]


def shuffled(size: int, seed: str) -> list[int]:
    """Return the candidates' numbers in an order that `seed` decides."""
    order = list(range(size))
    random.Random(f"tournament {seed} {size}").shuffle(order)
    return order

"""Finds, among many unit vectors, those with a cosine above a threshold, without multiplying with all of them.

Every vector, less the mean of the first ones, is told by the signs of its products with random directions (Charikar
2002). A query looks only at the directions in which it goes farthest itself: a near vector has the same sign there almost
surely, a far one as often as not. What is left is looked at in more directions, and what is left then is multiplied, as
numbers of 16 bits.
"""

from bisect import bisect_left
from collections.abc import Sequence
from functools import lru_cache
from math import erfc, exp, isfinite, log, sqrt
from typing import NamedTuple

import numpy as np

from sftmill.steps.instruct.novelty.bit_columns import BitColumns

DIRECTIONS = 512
CHOSEN = 32
"""Directions that a query looks at."""
CODED = 256
"""Directions, the first ones, whose signs are also kept vector by vector."""
MISSED = 5e-4
"""Greatest probability that a vector above the threshold is ruled out by the directions chosen, and again by those coded,
over the draw of the directions."""
FEW = 16
"""Vectors that are multiplied without a look at their codes."""
CENTRED = (128, 2048)
"""Numbers of vectors at which the mean is taken anew; up to the first one all are compared."""
ROUNDING = 2.0**-11
"""Half a unit in the last place of 16-bit numbers, by which a cosine may be off: so much above a threshold is not yet
above it."""
BLOCK = 2048
"""Vectors that are multiplied at once."""


class Meaning(NamedTuple):
    """A vector as it is compared."""

    unit: np.ndarray
    """Of length 1, rounded to 16 bits."""
    along: np.ndarray
    """Its products with the random directions."""


class MeaningIndex:
    """Vectors of one size in the order they came, found again by cosine above `threshold`; 2 bytes a number and 160."""

    def __init__(self, threshold: float, size: int):
        self.threshold = threshold
        self.size = size
        directions = np.random.default_rng([size, DIRECTIONS]).standard_normal((DIRECTIONS, size))
        self._directions = directions.astype(np.float32)
        self._vectors = np.empty((CENTRED[0], size), np.float16)
        self._mean = np.zeros(size, np.float32)
        self._offsets = np.zeros(DIRECTIONS, np.float32)
        self._signs = BitColumns(2 * DIRECTIONS)
        self._codes = np.zeros((CENTRED[0], CODED // 64), np.uint64)
        self._count = 0
        self._tails = tails(CHOSEN, MISSED)

    def __len__(self) -> int:
        return self._count

    def read(self, vector: Sequence[float]) -> Meaning:
        """Return a vector as it is compared, of length 1 and rounded; raises ValueError where it cannot be one."""
        made = np.asarray(vector, np.float32)
        if made.shape != (self.size,):
            raise ValueError(f"a vector of {made.size} numbers stands beside others of {self.size}: use one embedder")
        norm = float(np.sqrt(made @ made))
        if not isfinite(norm):
            raise ValueError("a vector holds a number that is not finite; look at what the embedder returns")
        unit = (made / norm if norm else made).astype(np.float16).astype(np.float32)
        return Meaning(unit, self._directions @ unit)

    def add(self, meaning: Meaning) -> None:
        """Append a vector that was read."""
        if self._count == len(self._vectors):
            self._vectors = np.concatenate([self._vectors, np.empty_like(self._vectors)])
            self._codes = np.concatenate([self._codes, np.empty_like(self._codes)])
        self._vectors[self._count] = meaning.unit
        self._count += 1
        if self._count in CENTRED:
            self._centre()
        elif self._count > CENTRED[0]:
            self._append_signs(self._count - 1, meaning.along > self._offsets)

    def _centre(self) -> None:
        """Take the mean of all vectors so far, and their signs anew."""
        held = self._vectors[: self._count].astype(np.float32)
        self._mean = held.mean(0)
        self._offsets = self._directions @ self._mean
        self._signs = BitColumns(2 * DIRECTIONS)
        for place, row in enumerate(held @ self._directions.T > self._offsets):
            self._append_signs(place, row)

    def _append_signs(self, place: int, signs: np.ndarray) -> None:
        # a column for each sign, so that none has to be turned round when they are counted
        self._signs.append(np.flatnonzero(np.concatenate([signs, ~signs])))
        self._codes[place] = np.packbits(signs[:CODED]).view(np.uint64)

    def nearest(self, meaning: Meaning) -> tuple[float, int]:
        """Return the greatest cosine above the threshold and the number of its vector; (0, -1) if there is none."""
        places = self._possible(meaning)
        best, found = 0.0, -1
        for start in range(0, len(places), BLOCK):
            block = places[start : start + BLOCK]
            products = self._vectors[block].astype(np.float32) @ meaning.unit
            top = int(products.argmax())
            if products[top] > max(best, self.threshold + ROUNDING):
                best, found = float(products[top]), int(block[top])
        return (min(1.0, best), found)

    def _possible(self, meaning: Meaning) -> np.ndarray:
        """Return the numbers of the vectors that are not ruled out, ascending."""
        if self._count < CENTRED[0]:
            return np.arange(self._count)
        away = meaning.unit - self._mean
        length = float(away @ away)
        # two unit vectors above the threshold are no farther apart than this, squared
        apart = 2 * (1 - self.threshold)
        if length <= apart * 1.01:
            return np.arange(self._count)
        along = meaning.along - self._offsets
        sizes = np.abs(along)
        # Whatever the near vector: its sign differs with at most this probability (the least of its mean over its
        # standard deviation, given the query's product, is reached where it is as near to the mean as it can be).
        chances = below(sizes * sqrt((length / apart - 1) / length))
        chosen = np.argpartition(sizes, DIRECTIONS - CHOSEN)[DIRECTIONS - CHOSEN :]
        wrong = bisect_left(self._tails, float(chances[chosen].sum()))
        if wrong >= CHOSEN:
            return np.arange(self._count)
        columns = (chosen + DIRECTIONS * (along[chosen] <= 0)).tolist()
        rows = self._signs.search(columns, [(CHOSEN - wrong, -1)])
        if len(rows) > FEW:
            expected, rare = float(chances[:CODED].sum()), log(1 / MISSED)
            most = expected + sqrt(2 * expected * rare) + rare / 3  # Bernstein's bound
            code = np.packbits(along[:CODED] > 0).view(np.uint64)
            rows = rows[np.bitwise_count(self._codes[rows] ^ code).sum(1, dtype=np.int32) <= most]
        return rows


def below(values: np.ndarray) -> np.ndarray:
    """Return the probabilities that a normal variable falls that many standard deviations below its mean, rounded up."""
    return _NORMAL[np.minimum(values * 64, len(_NORMAL) - 1).astype(np.int32)]


_NORMAL = np.array([0.5 * erfc(step / 64 / sqrt(2)) for step in range(640)])


@lru_cache(maxsize=8)
def tails(most: int, chance: float) -> list[float]:
    """Return for each k below `most` the greatest mean at which more than k of rare events come with at most `chance`.

    Poisson's distribution, whose tail bounds that of a sum of independent events from its mean plus one on (Hoeffding
    1956).
    """
    found = []
    for k in range(most):
        low, high = 0.0, float(k + 1)
        for _ in range(40):
            middle = (low + high) / 2
            term = total = exp(-middle)
            for i in range(1, k + 1):
                term *= middle / i
                total += term
            if 1 - total <= chance:
                low = middle
            else:
                high = middle
        found.append(low if k == 0 or low <= k - 1 else float(k - 1))
    return found

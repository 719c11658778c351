"""How many bands of how many rows find the pairs above a threshold."""

import math
from typing import NamedTuple

import numpy as np

MISSED = 0.002
"""Share of the pairs exactly at the threshold that may be missed; above it fewer are."""
MOST = 256
"""Permutations that a signature may have."""
MOST_BANDS = 64


class Bands(NamedTuple):
    """A choice of MinHash permutations: `bands` times `rows` of them."""

    bands: int
    rows: int

    def chance(self, similarity: float) -> float:
        """Return the probability that two texts of this Jaccard similarity share a band: 1 - (1 - s^rows)^bands."""
        return 1.0 - (1.0 - similarity**self.rows) ** self.bands


def choose_bands(threshold: float) -> Bands:
    """Return the bands that find all but `MISSED` of the pairs at the threshold, with as few others as `MOST` allows.

    The usual choice puts the middle of the curve at the threshold, so that half of the pairs there are lost; here
    candidates are verified, so that the curve may begin well below it.
    """
    best = Bands(MOST_BANDS, 1)
    for rows in range(1, 33):
        bands = max(1, math.ceil(math.log(MISSED) / math.log1p(-min(threshold**rows, 1 - 1e-12))))
        if bands <= MOST_BANDS and bands * rows <= MOST:
            best = Bands(bands, rows)
    return best


def permutations(number: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Return odd factors and offsets in 32 bits, the same everywhere (SplitMix64 of a counter)."""
    with np.errstate(over="ignore"):
        value = np.arange(1, 2 * number + 1, dtype=np.uint64) * np.uint64(0x9E3779B97F4A7C15) + np.uint64(seed)
        value = (value ^ value >> np.uint64(30)) * np.uint64(0xBF58476D1CE4E5B9)
        value = (value ^ value >> np.uint64(27)) * np.uint64(0x94D049BB133111EB)
        value ^= value >> np.uint64(31)
    drawn = (value >> np.uint64(32)).astype(np.uint32)
    return drawn[:number] | np.uint32(1), drawn[number:]

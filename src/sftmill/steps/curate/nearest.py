"""The nearest neighbour of every vector, exactly, in blocks that fit into memory."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

BLOCK = 2048
"""Vectors of a block; two blocks and their products take about 60 MB at 1,024 dimensions."""


@dataclass
class Nearest:
    """For each of n vectors, in their order: its neighbour and those that are about the same."""

    neighbour: np.ndarray
    """Number of the nearest other vector, the lowest of those equally near; -1 where there is no other."""
    distance: np.ndarray
    """Squared distance to it, 0 to 4; not a number where there is no other."""
    repeats: np.ndarray
    """How many other vectors are nearer than the threshold."""
    first: np.ndarray
    """The lowest number among the vectors that are nearer than the threshold and the vector itself."""


def find_nearest(vectors: np.ndarray, threshold: float) -> Nearest:
    """Return the nearest neighbours of `vectors` (n x d, float32), compared as unit vectors.

    Squared distance d and cosine c go together as c = 1 - d / 2. Exact duplicates are put together first, so that
    their distance is 0 and no vector finds itself. Time grows with the square of the number of different vectors.
    """
    unit = to_unit(vectors)
    firsts, group, counts = _groups(unit)
    distinct = unit if len(firsts) == len(unit) else unit[firsts]
    best, near, lowest = _compare(distinct, counts, 1.0 - threshold / 2.0)
    nearest_group = np.where(best >= 0, firsts[best], -1)[group]
    distance = np.full(len(distinct), np.nan)
    found = np.flatnonzero(best >= 0)
    for part in np.array_split(found, max(1, -(-len(found) // BLOCK))):
        # a product of 32-bit numbers is off by up to a millionth, which is a lot beside a distance of nearly 0
        apart = distinct[part].astype(np.float64) - distinct[best[part]]
        distance[part] = np.einsum("ij,ij->i", apart, apart)
    neighbour, second = nearest_group, _seconds(group, len(firsts))
    twin = np.flatnonzero(counts[group] > 1)
    of = group[twin]
    neighbour[twin] = np.where(twin == firsts[of], second[of], firsts[of])
    spread = distance[group]
    spread[twin] = 0.0
    others = near[group] + (counts[group] - 1 if threshold > 0 else 0)
    return Nearest(neighbour, spread, others, np.minimum(firsts[group], firsts[lowest][group]))


def to_unit(vectors: np.ndarray) -> np.ndarray:
    """Return the vectors with length 1, in float32; those of length 0 stay as they are."""
    lengths = np.sqrt(np.einsum("ij,ij->i", vectors, vectors, dtype=np.float64))[:, None]
    lengths[lengths == 0] = 1.0
    return np.ascontiguousarray(vectors / lengths.astype(np.float32), dtype=np.float32)


def _groups(unit: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return, for vectors that are the same: the lowest number of each group, each vector's group, the sizes."""
    known: dict[bytes, int] = {}
    group = np.fromiter((known.setdefault(v.tobytes(), len(known)) for v in unit), np.int64, len(unit))
    firsts = np.full(len(known), len(unit), np.int64)
    np.minimum.at(firsts, group, np.arange(len(unit)))
    return firsts, group, np.bincount(group, minlength=len(known))


def _seconds(group: np.ndarray, number: int) -> np.ndarray:
    """Return the second lowest number of each group, -1 where it has one vector only."""
    second = np.full(number, -1, np.int64)
    seen = np.zeros(number, np.int64)
    for place, of in enumerate(group):
        seen[of] += 1
        if seen[of] == 2:
            second[of] = place
    return second


def _blocks(number: int) -> Iterator[slice]:
    return (slice(start, min(start + BLOCK, number)) for start in range(0, number, BLOCK))


def _compare(unit: np.ndarray, weights: np.ndarray, least: float) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Compare all different vectors; each pair of blocks once.

    Returns for each: the most similar other one (-1: none), the weight of the others whose cosine is above
    `least`, and the lowest number among these and itself.
    """
    size = len(unit)
    best = np.full(size, -1, np.int64)
    similarity = np.full(size, -np.inf, np.float32)
    near = np.zeros(size, np.int64)
    lowest = np.arange(size)
    for rows in _blocks(size):
        for columns in _blocks(size):
            if columns.start < rows.start:
                continue
            products = unit[rows] @ unit[columns].T
            if rows == columns:
                np.fill_diagonal(products, -np.inf)
            _take(products, rows, columns.start, best, similarity)
            close = products > least
            found = bool(close.any())
            if found:
                near[rows] += close @ weights[columns]
                _lower(close, rows, columns.start, lowest)
            if rows != columns:
                _take(products.T, columns, rows.start, best, similarity)
                if found:
                    near[columns] += close.T @ weights[rows]
                    _lower(close.T, columns, rows.start, lowest)
    return best, near, lowest


def _take(products: np.ndarray, rows: slice, start: int, best: np.ndarray, similarity: np.ndarray) -> None:
    """Note for each row of a block its most similar vector, where that is better than what is known."""
    place = products.argmax(axis=1)
    value = products[np.arange(len(place)), place]
    better = value > similarity[rows]
    similarity[rows][better] = value[better]
    best[rows][better] = place[better] + start


def _lower(close: np.ndarray, rows: slice, start: int, lowest: np.ndarray) -> None:
    """Note for each row of a block the lowest number that is close to it."""
    found = np.where(close.any(axis=1), close.argmax(axis=1) + start, lowest[rows])
    np.minimum(lowest[rows], found, out=lowest[rows])

"""The nearest neighbour of every vector, exactly, in blocks that fit into memory."""

from collections.abc import Iterator
from dataclasses import dataclass
from hashlib import blake2b

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


def find_nearest(vectors: np.ndarray, threshold: float, owners: np.ndarray | None = None) -> Nearest:
    """Return the nearest neighbours of `vectors` (n x d, float32), compared as unit vectors.

    With `owners` the answer is about m rows, each of which has the vector whose number stands there; vectors must be
    numbered in the order in which rows first have them. Squared distance d and cosine c go together as c = 1 - d / 2.
    Exact duplicates are put together first, so that their distance is 0 and no row finds itself. Time grows with
    the square of the number of different vectors. A threshold below 0.0001 is finer than the products are.
    """
    unit = to_unit(vectors)
    group, places = _groups(unit)
    group = group if owners is None else group[owners]
    distinct = unit if len(places) == len(unit) else unit[places]
    del unit
    firsts, seconds, counts = _members(group, len(places))
    best, near, lowest = _compare(distinct, counts, 1.0 - threshold / 2.0)
    distance = np.full(len(distinct), np.nan)
    found = np.flatnonzero(best >= 0)
    for part in np.array_split(found, max(1, -(-len(found) // BLOCK))):
        # a product of 32-bit numbers is off by up to a millionth, which is a lot beside a distance of nearly 0
        apart = distinct[part].astype(np.float64) - distinct[best[part]]
        distance[part] = np.einsum("ij,ij->i", apart, apart)
    neighbour, spread = np.where(best >= 0, firsts[best], -1)[group], distance[group]
    twin = np.flatnonzero(counts[group] > 1)
    neighbour[twin] = np.where(twin == firsts[group[twin]], seconds[group[twin]], firsts[group[twin]])
    spread[twin] = 0.0
    first = np.minimum(firsts, firsts[lowest])[group]
    return Nearest(neighbour, spread, near[group] + counts[group] - 1, first)


def to_unit(vectors: np.ndarray) -> np.ndarray:
    """Return the vectors with length 1, in float32; those of length 0 stay as they are."""
    made = np.empty(vectors.shape, np.float32)
    for part in _blocks(len(vectors)):
        wide = vectors[part].astype(np.float64)
        lengths = np.linalg.norm(wide, axis=1, keepdims=True)
        made[part] = wide / np.where(lengths == 0, 1.0, lengths)
    return made


def _groups(unit: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the group of each vector, those that are the same in one, and the first vector of each group."""
    known: dict[bytes, int] = {}
    group = np.fromiter((known.setdefault(blake2b(v, digest_size=16).digest(), len(known)) for v in unit), np.int64)
    return group, np.unique(group, return_index=True)[1]


def _members(group: np.ndarray, number: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return the lowest and the second lowest row of each group (-1: it has no second), and how many rows it has."""
    order = np.argsort(group, kind="stable")
    counts = np.bincount(group, minlength=number)
    starts = np.cumsum(counts) - counts
    seconds = np.where(counts > 1, order[np.minimum(starts + 1, len(order) - 1)], -1)
    return order[starts], seconds, counts


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

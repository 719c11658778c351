"""The nearest database rows of every validation row, exactly, by matrix products of blocks."""

from collections.abc import Iterable
from typing import NamedTuple

import numpy as np

ASKING = 1024
"""Validation rows whose products are made at once; a larger block only takes more memory."""
PRODUCTS = 1 << 21
"""Products that are made at once: 8 MB, which stay in the processor's cache while they are looked through."""
FEWEST = 256
"""Least number of database rows in a block: narrower products are slower to make."""
SPILL = 8
"""Candidates that are kept between two clearings, as a multiple of those wanted."""


class Rankings(NamedTuple):
    """For each of q validation rows its nearest database rows, best first; all have the same number of them."""

    places: np.ndarray
    """q x k places in the database, int64; equally near ones in the order of their places."""
    scores: np.ndarray
    """q x k cosines, float32."""


class Search:
    """Finds the `most` rows with the largest products, while blocks of the database pass by."""

    def __init__(self, asking: np.ndarray, most: int):
        self.asking = np.ascontiguousarray(asking, np.float32)
        self.most = most
        parts = range(0, len(self.asking), ASKING)
        self._parts = [_Part(self.asking[start : start + ASKING], most) for start in parts]

    def add(self, places: np.ndarray, vectors: np.ndarray) -> None:
        """Compare some rows of the database, n x d of any floating type, which are at `places`."""
        width = max(FEWEST, PRODUCTS // max(1, min(len(self.asking), ASKING)))
        for start in range(0, len(vectors), width):
            block = np.ascontiguousarray(vectors[start : start + width], np.float32)
            for part in self._parts:
                part.add(places[start : start + width], block)

    def rankings(self) -> Rankings:
        """Return what was found so far."""
        found = [part.finish() for part in self._parts]
        if not found:
            return Rankings(np.zeros((0, 0), np.int64), np.zeros((0, 0), np.float32))
        return Rankings(np.concatenate([one.places for one in found]), np.concatenate([one.scores for one in found]))


class _Part:
    """The search for some of the validation rows."""

    def __init__(self, asking: np.ndarray, most: int):
        self.asking, self.most = asking, most
        self.least = np.full(len(asking), -np.inf, np.float32)
        """The score that a row has to pass to be among the best."""
        self.seen = 0
        self._who: list[np.ndarray] = []
        self._where: list[np.ndarray] = []
        self._score: list[np.ndarray] = []
        self._waiting = 0

    def add(self, places: np.ndarray, block: np.ndarray) -> None:
        products = block @ self.asking.T  # a line for each row of the database: faster than the other way round
        self.seen += len(block)
        first = self._first_bound(products)
        flat = np.flatnonzero(products > (self.least if first is None else first))
        if not len(flat):
            return
        line, who = np.divmod(flat, products.shape[1])
        self._who.append(who)
        self._where.append(places[line])
        self._score.append(products.ravel()[flat])
        self._waiting += len(flat)
        if self._waiting > SPILL * len(self.asking) * self.most:
            self._clear()

    def _first_bound(self, products: np.ndarray) -> np.ndarray | None:
        """Return a bound for the first blocks, which nothing has bounded yet, so that not all of them are kept."""
        if np.isfinite(self.least[:1]).all() or len(products) <= self.most:
            return None
        at = len(products) - self.most
        bound = np.partition(products, at, axis=0)[at]
        return np.nextafter(bound, np.float32(-np.inf), dtype=np.float32)

    def _clear(self) -> None:
        """Keep the best of what was found, and raise the bounds."""
        who, where, score = (np.concatenate(parts) for parts in (self._who, self._where, self._score))
        order = np.lexsort((where, -score, who))
        who = who[order]
        starts = np.searchsorted(who, np.arange(len(self.asking) + 1))
        rank = np.arange(len(who)) - starts[who]
        kept = order[rank < self.most]
        who, where, score = (np.ascontiguousarray(part[kept]) for part in (np.concatenate(self._who), where, score))
        full = np.flatnonzero(np.diff(np.searchsorted(who, np.arange(len(self.asking) + 1))) == self.most)
        ends = np.searchsorted(who, full, side="right") - 1
        self.least[full] = np.nextafter(score[ends], np.float32(-np.inf), dtype=np.float32)
        self._who, self._where, self._score, self._waiting = [who], [where], [score], len(who)

    def finish(self) -> Rankings:
        if self._waiting:
            self._clear()
        size = min(self.most, self.seen)
        where = np.concatenate(self._where) if self._where else np.zeros(0, np.int64)
        score = np.concatenate(self._score) if self._score else np.zeros(0, np.float32)
        return Rankings(where.reshape(len(self.asking), size).astype(np.int64), score.reshape(len(self.asking), size))


def nearest(asking: np.ndarray, blocks: Iterable[tuple[np.ndarray, np.ndarray]], most: int) -> Rankings:
    """Return the `most` nearest rows for each vector of `asking` (q x d), all unit vectors, among blocks of places and rows."""
    search = Search(asking, most)
    for places, vectors in blocks:
        search.add(places, vectors)
    return search.rankings()
